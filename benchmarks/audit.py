"""Audits of a large project: time of both questions, of the index, and of the command; AiiDA beside them.

    python benchmarks/audit.py                          # 100,000 calls, 50 generations, 20 experiments
    python benchmarks/audit.py --aiida PYTHON           # and AiiDA, with the Python that has aiida-core

The project is generated: records as the stage `record` leaves them, committed generation by generation;
every experiment is a commit under refs/exps in which the last generation chose other calls, half of them
new. AiiDA gets the same graph (`audit_aiida.py`): a node per call and result, per data set, training and
model, in a profile with its SQLite backend, and is asked the same two questions by its QueryBuilder.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aldata import audit, digest
from aldata.audit.index import FILE
from aldata.audit.sources import DOCUMENTS, VERBS

HERE = Path(__file__).parent
THEORY = "77" * 32


def hashed(*what: object) -> str:
    return digest.of_json([str(item) for item in what])


class Project:
    """A git repository with the records of a generated tree."""

    def __init__(self, root: Path, calls: int) -> None:
        self.root = root
        self.calls = calls
        root.mkdir(parents=True)
        self.git("init", "--quiet", "--initial-branch=main")
        self.git("config", "user.name", "benchmark")
        self.git("config", "user.email", "benchmark@localhost")
        self.git("config", "gc.auto", "0")
        for name, text in (
            ("params.yaml", "generations: {}\n"),
            ("dvc.yaml", "stages: {}\n"),
            (".gitignore", ".aldata/\n"),
        ):
            (root / name).write_text(text)
        (root / ".dvc").mkdir()
        (root / ".dvc" / "config").write_text("")
        self.manifests: dict[str, str] = {}
        self.checkpoints: dict[str, str] = {}

    def git(self, *arguments: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(self.root), *arguments], capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def commit(self, message: str) -> str:
        (self.root / "dvc.lock").write_text(f"schema: '2.0'\nstages: {{}} # {message}\n")
        self.git("add", ".")
        self.git("commit", "--quiet", "-m", message)
        return self.git("rev-parse", "HEAD")

    def seed(self) -> None:
        self.manifests["seed"] = self.write("seed", "dataset", self.manifest("seed", None, []))
        self.checkpoints["seed"] = hashed("checkpoint", "seed")
        made = {"generations/seed/checkpoint.zarr": self.checkpoints["seed"]}
        self.write("seed", "seed.activity", activity("seed", "seed", {}, made))
        self.write("seed", "calls", [])
        self.write("seed", "noise", {"source": "stated"})
        self.write("seed", "theory", {"oracle": "none", "settings": {}, "record": {}})

    def generation(self, name: str, parent: str, variant: str = "") -> None:
        names = [f"{name} {variant if number % 2 else ''} {number}" for number in range(self.calls)]
        manifest = self.manifest(name, parent, [entry(own, i) for i, own in enumerate(names)])
        self.write(name, "dataset", manifest)
        self.write(name, "calls", [fact(e["call"]) for e in manifest["entries"]])
        picks = [pick(e["configuration"], i) for i, e in enumerate(manifest["entries"])]
        selection = {"attributes": {"strategy": "random"}, "pool": {}, "picks": picks}
        self.write(name, "selection", selection)
        for document in set(DOCUMENTS) - {"dataset", "calls", "selection"}:
            self.write(name, document, {"of": [name, variant, document]})
        self.manifests[name] = digest.of_json(manifest)
        used = {
            f"generations/{parent}/dataset.json": manifest["parent"]["manifest"],
            f"generations/{parent}/checkpoint.zarr": self.checkpoints[parent],
        }
        self.checkpoints[name] = hashed("checkpoint", name, variant)
        for verb in VERBS:
            made = {f"generations/{name}/checkpoint.zarr": self.checkpoints[name]}
            content = activity(verb, name, used, made if verb == "train" else {})
            self.write(name, f"{verb}.activity", content)

    def manifest(self, name: str, parent: str | None, entries: list[Any]) -> dict[str, Any]:
        link = parent and {"generation": parent, "manifest": self.manifests[parent]}
        return {
            "generation": name, "parent": link, "theory_id": THEORY, "species": [1],
            "entries": entries, "retracted": [],
        }  # fmt: skip

    def write(self, generation: str, name: str, content: Any) -> str:
        path = self.root / "generations" / generation / "record" / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content, indent=1, sort_keys=True))
        return digest.of_json(content)


def entry(own: str, number: int) -> dict[str, Any]:
    role = "probe" if number % 8 == 0 else "valid" if number % 8 == 1 else "train"
    return {
        "call": hashed("call", own), "configuration": hashed("configuration", own),
        "result": hashed("result", own), "status": "accepted", "role": role,
        "purpose": "probe" if role == "probe" else "acquired", "lineage": f"trajectory-{number % 24}",
        "duplicate_of": None,
    }  # fmt: skip


def fact(call: str) -> dict[str, Any]:
    return {
        "call_id": call, "status": "accepted", "failure": "none", "message": "", "cpu_seconds": 97.2,
        "wall_seconds": 24.9, "host": f"node{int(call[:2], 16)}", "new": True, "version": "code 7.4",
        "start": "2026-03-02T10:00:00+00:00", "end": "2026-03-02T10:00:25+00:00",
    }  # fmt: skip


def pick(configuration: str, rank: int) -> dict[str, Any]:
    return {
        "configuration": configuration, "rank": rank, "score": 1.0 / (rank + 1), "probe": rank % 8 == 0,
        "reason": "random", "sampler": "dynamics", "trajectory": rank % 24, "step": 20 * rank,
        "temperature": 300.0, "parent_configuration": hashed("start", rank % 24),
    }  # fmt: skip


def activity(verb: str, generation: str, used: Any, made: Any) -> dict[str, Any]:
    return {
        "stage": verb, "generation": generation, "used": used, "generated": made,
        "parameters": {"update": "retrain"}, "random_seed": 1, "behaviour": 1, "git_baseline": "ab" * 20,
        "uncommitted": False, "experiment": None, "started": "2026-03-02T10:00:00+00:00",
        "ended": "2026-03-02T11:00:00+00:00", "host": "node1", "platform": "Linux", "python": "3.11.0",
        "packages": dict.fromkeys(("aldata", "torch", "mace-torch", "numpy"), "1.0"), "facts": {},
    }  # fmt: skip


def built(root: Path, calls: int, generations: int, experiments: int) -> Project:
    """The main line, committed generation by generation, and the experiments beside its end."""
    project = Project(root, calls // generations)
    project.seed()
    parent = "seed"
    for number in range(generations - 1):
        name = f"g{number:03d}"
        project.generation(name, parent)
        project.commit(name)
        parent = name
    last = f"g{generations - 1:03d}"
    for number in range(experiments):
        project.git("checkout", "--quiet", "--detach")
        project.generation(last, parent, f"experiment {number}")
        commit = project.commit(f"experiment {number}")
        baseline = project.git("rev-parse", "main")
        reference = f"refs/exps/{baseline[:2]}/{baseline[2:]}/exp-{number:02d}"
        project.git("update-ref", reference, commit)
        project.git("checkout", "--quiet", "main")
    project.generation(last, parent)
    project.commit(last)
    return project


def timed(act: Callable[[], Any], repeats: int = 5) -> tuple[str, Any]:
    """Least CPU and wall seconds of several, as two cells of the table, and the last result.

    CPU seconds are those of this process and of its children that have ended.
    """
    cpu = wall = float("inf")
    found = None
    for _ in range(repeats):
        begun, before = time.perf_counter(), sum(os.times()[:4])
        found = act()
        wall = min(wall, time.perf_counter() - begun)
        cpu = min(cpu, sum(os.times()[:4]) - before)
    return f"{cpu:.2f} s | {wall:.2f} s", found


def opened(root: Path) -> audit.Graph:
    return audit.Graph(audit.Index(root))


def model_question(root: Path, generation: str, records: bool) -> int:
    """The calls of a model: found, counted and priced; with `records` also all that is known of each."""
    graph = opened(root)
    found = audit.audit_model(graph, audit.found_model(graph, generation))
    calls = list(found["calls"]) if records else found["calls"]
    graph.index.connection.close()
    return len(calls)


def call_question(root: Path, selector: str) -> tuple[int, int]:
    graph = opened(root)
    found = audit.audit_calls(graph, audit.selected(graph, [selector]))
    graph.index.connection.close()
    models = {item["checkpoint"]["digest"] for item in found["reached"] if item["checkpoint"]}
    return len(found["calls"]), len(models)


def command(root: Path, *arguments: str) -> Callable[[], Any]:
    program = "import sys; from aldata.cli.main import main; sys.exit(main(sys.argv[1:]))"
    line = [sys.executable, "-c", program, *arguments]
    return lambda: subprocess.run(line, cwd=root, stdout=subprocess.DEVNULL, check=True)


def measured(project: Project, generations: int) -> list[tuple[str, str, str]]:
    """Rows of the table: quantity, CPU and wall seconds, target or size."""
    root, last = project.root, f"g{generations - 1:03d}"
    first = project.root / "generations" / "g000" / "record" / "dataset.json"
    call = json.loads(first.read_text())["entries"][3]["call"]
    build, graph = timed(lambda: opened(root), 1)
    size = (root / FILE).stat().st_size
    calls = next(graph.index.rows("SELECT count(*) FROM calls"))[0]
    versions = len(graph.versions)
    graph.index.connection.close()
    model, count = timed(lambda: model_question(root, last, False))
    listed, _ = timed(lambda: model_question(root, last, True))
    one, (_, models) = timed(lambda: call_question(root, call))
    host, (of_host, _) = timed(lambda: call_question(root, "host:node17"))
    everything, (all_calls, _) = timed(lambda: call_question(root, "date:2026-03-02"), 2)
    start, _ = timed(command(root, "audit", "call", "--help"))
    command_call, _ = timed(command(root, "audit", "call", call))
    command_model, _ = timed(command(root, "audit", "model", last))
    complete, _ = timed(command(root, "audit", "model", last, "--json"), 2)
    project.generation("next", last)
    project.commit("next")
    grown, graph = timed(lambda: opened(root), 1)
    graph.index.connection.close()
    more = (root / FILE).stat().st_size - size
    return [
        (f"model -> its {count:,} calls, found, counted and priced", model, "1 s"),
        ("the same, a record of each", listed, ""),
        (f"call -> {models} models in {versions} versions", one, "1 s"),
        (f"the {of_host:,} calls of one host -> what they reached", host, ""),
        (f"all {all_calls:,} calls -> what they reached", everything, ""),
        ("start of the command (`aldata audit call --help`)", start, "0.5 s"),
        ("`aldata audit call CALL`, whole process", command_call, ""),
        (f"`aldata audit model {last}`, whole process", command_model, ""),
        (f"`aldata audit model {last} --json`: a record per call", complete, ""),
        (f"the index of {calls:,} calls, made", build, f"{size / 1e6:.0f} MB"),
        (f"one more generation of {project.calls:,} calls", grown, f"{more / 1e6:.1f} MB"),
    ]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=100_000)
    parser.add_argument("--generations", type=int, default=50)
    parser.add_argument("--experiments", type=int, default=20)
    parser.add_argument("--aiida", metavar="PYTHON", help="a Python with aiida-core")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        project = built(
            Path(scratch) / "project", options.calls, options.generations, options.experiments
        )
        rows = measured(project, options.generations)
    if options.aiida:
        shape = [str(n) for n in (options.calls, options.generations, options.experiments)]
        line = [options.aiida, str(HERE / "audit_aiida.py"), *shape]
        done = subprocess.run(line, capture_output=True, text=True, check=True)
        rows += [tuple(row) for row in json.loads(done.stdout.splitlines()[-1])]
    print("| quantity | CPU | wall | target, size |\n|---|---|---|---|")
    for quantity, value, target in rows:
        print(f"| {quantity} | {value} | {target} |")


if __name__ == "__main__":
    main()
