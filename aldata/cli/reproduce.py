"""`aldata reproduce`: compute a call or a model again, and compare."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from aldata import audit, provenance
from aldata.cli.project import Project, environment, program
from aldata.errors import LedgerError, ProjectError

STDERR = 2
"""Its descriptor: stdout is for the answer alone, also where Python's own streams are replaced."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the subcommands of `aldata reproduce` and their options."""
    acts = parser.add_subparsers(dest="act", required=True, metavar="ACT")
    call = acts.add_parser("call", help="compute a call again and compare with its record")
    call.add_argument("call", help="first digits of a call id or of a configuration id")
    model = acts.add_parser("model", help="rebuild a model in a clean clone and compare")
    model.add_argument("model", help="which model, as in `aldata audit model`")
    model.add_argument("--dry-run", action="store_true", help="say what is present, no more")
    model.add_argument("--into", type=Path, metavar="DIR", help="the clone stays here")
    model.add_argument(
        "--tolerance",
        type=float,
        default=0.05,
        help="relative difference of a metric that counts as the same (default 0.05)",
    )
    for act in (call, model):
        act.add_argument("--json", action="store_true", help="machine-readable")


def run(options: argparse.Namespace) -> int:
    """Exit code 1 where the result is another one."""
    project = Project.here()
    return (_call if options.act == "call" else _model)(project, options)


def _call(project: Project, options: argparse.Namespace) -> int:
    """The answer goes into a ledger of its own, which is thrown away: the record stays as it is."""
    from aldata import execution, params
    from aldata.artifacts.frames import as_configurations
    from aldata.audit.reproduction import compare_call
    from aldata.cli.ledger.page import found_call
    from aldata.label import Requests, label
    from aldata.ledger import Ledger

    parameters = params.load(project.params)
    identity = found_call(project.ledger, options.call)
    record = project.ledger.find(identity)
    if record is None:
        raise LedgerError(
            "has no verdict to compare with",
            where=f"call {identity}",
            next_step="aldata ledger show " + identity[:12],
        )
    requests = Requests.of(as_configurations([record.configuration.configuration()]), "noise")
    settings = parameters.label.model_copy(update={"fallbacks": {}})
    cluster_settings = execution.ClusterSettings.load(project.home, "label")
    with (
        tempfile.TemporaryDirectory(prefix="aldata-reproduce-") as scratch,
        execution.open_cluster(cluster_settings) as cluster,
    ):
        runner = partial(cluster, title="reproduce")
        labels, facts = label(requests, record.theory, Ledger(Path(scratch)), settings, runner)
    choice = parameters.oracle
    found = compare_call(record, labels, facts[0], (choice.sigma_energy, choice.sigma_forces))
    content = {"call": identity, **vars(found)}
    print(json.dumps(content, indent=1) if options.json else _page_of_call(content))
    return 1 if found.verdict == "different" else 0


def _page_of_call(found: dict[str, Any]) -> str:
    lines = [f"call {found['call']}: {found['verdict']}"]
    lines.append(f"  {found['status'][0]} then, {found['status'][1]} now")
    if found["energy"] is not None:
        energy, forces = found["tolerances"]
        lines += [
            f"  energy  {found['energy']:+.3g} eV (same within {energy:.3g})",
            f"  forces  {found['forces']:.3g} eV/A at most (same within {forces:.3g})",
        ]
    if found["stress"] is not None:
        lines.append(f"  stress  {found['stress']:.3g} eV/A^3 at most")
    return "\n".join([*lines, f"  {found['versions'][0]} then, {found['versions'][1]} now"])


def _model(project: Project, options: argparse.Namespace) -> int:
    from aldata.audit.reproduction import compare_generations, inventory

    with audit.Index(project.root) as index:
        graph = audit.Graph(index)
        record = audit.found_model(graph, options.model)
        stock = inventory(graph, record)
        found: dict[str, Any] = {"generation": record.generation, "artifacts": stock}
        if options.dry_run:
            print(json.dumps(found, indent=1) if options.json else _stock(found))
            return 1 if any(item["state"] == "missing" for item in stock) else 0
        commit = _commit_of(project, record)
        with tempfile.TemporaryDirectory(prefix="aldata-reproduce-") as scratch:
            folder = options.into or Path(scratch) / "clone"
            rebuilt = _rebuild(project, commit, record.generation, folder)
            with audit.Index(rebuilt) as fresh:
                artifacts, metrics = compare_generations(graph, record, audit.Graph(fresh))
    found |= {"commit": commit, "compared": artifacts, "metrics": metrics}
    found["far"] = [item for item in metrics if not _close(item, options.tolerance)]
    print(json.dumps(found, indent=1) if options.json else _page_of_model(found))
    return 1 if found["far"] or not artifacts else 0


def _commit_of(project: Project, record: audit.Recorded) -> str:
    """The commit that holds the model. Raises ProjectError for one that is not committed."""
    for version in record.versions:
        if provenance.git(project.root, "cat-file", "-e", f"{version.key}^{{commit}}") is not None:
            return version.key
    raise ProjectError(
        "is in no commit: a clone cannot have it",
        where=f"the model of {record.generation}",
        next_step='git add . && git commit -m "..."',
    )


def _rebuild(project: Project, commit: str, generation: str, folder: Path) -> Path:
    """Clone the repository, without DVC's cache, and run its stages with the ledger of this project.

    Returns the project's folder in the clone, which is another where it is a part of its repository.
    Calls that the ledger holds are not made again, and others are refused: git has the generation.
    """
    top = (provenance.git(project.root, "rev-parse", "--show-toplevel") or "").strip()
    if folder.exists():
        raise ProjectError("exists", where=str(folder), next_step="name another --into")
    _run(["git", "clone", "--quiet", "--no-checkout", top, str(folder)], project.root)
    _run(["git", "fetch", "--quiet", top, commit], folder)
    _run(["git", "checkout", "--quiet", commit], folder)
    inside = folder / project.root.resolve().relative_to(top)
    (inside / ".aldata").mkdir(exist_ok=True)
    config = {"ledger": {"folder": str(project.ledger.folder)}}
    (inside / ".aldata" / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    print(f"rebuilding {generation} of commit {commit[:12]} in {inside}", file=sys.stderr)
    _run([program("dvc"), "repro", f"record@{generation}"], inside)
    return inside


def _run(command: list[str], folder: Path) -> None:
    """Run a program, its output on stderr. Raises ProjectError when it fails."""
    unset = ("MLFLOW_TRACKING_URI", "DVC_ROOT")
    variables = {k: v for k, v in environment().items() if k not in unset}
    code = subprocess.run(command, cwd=folder, env=variables, stdout=STDERR, check=False).returncode
    if code != 0:
        raise ProjectError(
            f"'{' '.join(os.path.basename(part) for part in command[:3])}' failed",  # noqa: PTH119
            where=str(folder),
            expected="a repository whose stages run from what git tracks and the ledger holds",
            next_step="see its messages above; aldata reproduce model G --into DIR keeps the clone",
        )


def _close(item: dict[str, Any], tolerance: float) -> bool:
    """Whether a metric is the same but for floating point; times and costs are not compared."""
    if "seconds" in item["name"]:
        return True
    if not isinstance(item["now"], int | float):
        return False
    scale = max(abs(item["then"]), abs(item["now"]), 1e-12)
    return bool(abs(item["then"] - item["now"]) <= tolerance * scale)


def _stock(found: dict[str, Any]) -> str:
    lines = [f"what the model of {found['generation']} was made through"]
    states = [item["state"] for item in found["artifacts"]]
    lines += [f"  {item['state']:12s} {item['path']}" for item in found["artifacts"]]
    counts = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
    return "\n".join([*lines, counts])


def _page_of_model(found: dict[str, Any]) -> str:
    same = [item for item in found["compared"] if item["same"]]
    lines = [f"model of {found['generation']}, commit {found['commit'][:12]}, rebuilt"]
    lines.append(f"  {len(same)} of {len(found['compared'])} artifacts are identical")
    lines += [f"  differs: {i['path']}" for i in found["compared"] if not i["same"]]
    for item in found["metrics"]:
        mark = "FAR " if item in found["far"] else ""
        lines.append(
            f"  {mark}{item['generation']} {item['name']}: {item['then']:.6g} then, {item['now']} now"
        )
    lines.append("reproduced" if not found["far"] else f"{len(found['far'])} metrics are far off")
    return "\n".join(lines)
