"""`aldata retract`: take calls back, after showing everything that they have reached."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aldata import audit, provenance
from aldata.audit.blast import blast_radius
from aldata.audit.retractions import Retraction, retractions_of
from aldata.cli.audit.pages import calls_page
from aldata.cli.project import Project
from aldata.errors import InvalidInput

if TYPE_CHECKING:
    from aldata.params import Parameters


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `aldata retract`."""
    parser.add_argument("selector", nargs="*", help="which calls, as in `aldata audit call`")
    parser.add_argument("--reason", help="why; it stays on record")
    parser.add_argument("--dry-run", action="store_true", help="show what it touches, no more")
    parser.add_argument(
        "--from",
        dest="since",
        metavar="G",
        help="not used from this generation on: `dvc repro` then rebuilds it and all behind it "
        "(default: history stays, generations made later do not use them)",
    )
    parser.add_argument("--revoke", metavar="ID", help="a retraction that holds no more")
    parser.add_argument("--list", action="store_true", help="all retractions, revoked ones too")
    parser.add_argument("--json", action="store_true", help="machine-readable")


def run(options: argparse.Namespace) -> int:
    """List, revoke, or retract."""
    project = Project.here()
    acts = (bool(options.selector), options.revoke is not None, options.list)
    if sum(acts) != 1:
        raise InvalidInput(
            "say which calls, or --revoke ID, or --list",
            where="aldata retract",
            expected="one of the three",
            next_step="aldata retract --help",
        )
    if options.list:
        return _list(project, options)
    if options.reason is None and not options.dry_run:
        raise InvalidInput("a retraction has a reason", where="aldata retract", expected="--reason")
    return _revoke(project, options) if options.revoke else _retract(project, options)


def _retract(project: Project, options: argparse.Namespace) -> int:
    from aldata import params

    parameters = params.load(project.params)
    if options.since is not None:
        parameters.plan_of(options.since)
    with audit.Index(project.root) as index:
        graph = audit.Graph(index)
        chosen = audit.selected(graph, options.selector)
        found = blast_radius(graph, chosen, options.since)
    found["retraction"] = None
    if not options.dry_run:
        calls = [call["call"] for call in found["calls"]]
        found["retraction"] = _written(project, parameters, calls, options)
    print(json.dumps(found, indent=1) if options.json else _page(found, options))
    return 0


def _written(
    project: Project, parameters: Parameters, calls: Sequence[str], options: argparse.Namespace
) -> str:
    """Write the retraction, and with --from the setting that obeys it; its id."""
    from aldata import params, store
    from aldata.curate import RetractionFile, path_of_retraction
    from aldata.provenance.activity import now

    file = RetractionFile(
        calls=sorted(calls),
        reason=options.reason,
        selector=list(options.selector),
        since=options.since,
        known=list(parameters.generations),
        made=now(),
        by=_author(project.root),
    )
    path = project.root / path_of_retraction(file.id)
    store.write_document(path, file)
    if options.since is not None:
        old = parameters.plan_of(options.since).curate
        value = {**old, "obey": [*old.get("obey", []), file.id]}
        params.set_values(project.params, {f"generations.{options.since}.curate": value})
    provenance.git(project.root, "add", "--", str(path))
    return file.id


def _author(root: Path) -> str:
    """Name and address of the user, as git knows them."""
    return " ".join(
        f"<{value}>" if key == "user.email" else value
        for key in ("user.name", "user.email")
        if (value := (provenance.git(root, "config", key) or "").strip())
    )


def _revoke(project: Project, options: argparse.Namespace) -> int:
    """Write the revocation. Generations that obey the retraction stay as they are."""
    from aldata import params, store
    from aldata.curate import Revocation, path_of_revocation
    from aldata.provenance.activity import now

    known = {item.id: item for item in retractions_of(project.root)}
    found = [name for name in known if name.startswith(options.revoke)]
    if len(found) != 1:
        raise InvalidInput(
            f"{len(found)} retractions have an id that begins so",
            where=f"aldata retract --revoke {options.revoke}",
            expected=f"one of: {', '.join(known) or '(there are none)'}",
            next_step="aldata retract --list",
        )
    identity = found[0]
    if known[identity].revoked is not None:
        raise InvalidInput("was revoked already", where=f"retraction {identity}")
    path = project.root / path_of_revocation(identity)
    document = Revocation(
        retraction=identity, reason=options.reason, made=now(), by=_author(project.root)
    )
    obeyed = _obeying(params.load(project.params), identity)
    if options.dry_run:
        print(f"would revoke {identity}: {known[identity].content['reason']}")
    else:
        store.write_document(path, document)
        provenance.git(project.root, "add", "--", str(path))
        print(f"revoked {identity}; both are on record: git commit")
    if obeyed:
        print(
            f"{', '.join(obeyed)} obey it and stay as they are; generations that `aldata advance` "
            "adds behind them use its calls again. To rebuild instead: take it out of "
            "their curate.obey in params.yaml, then dvc repro"
        )
    return 0


def _obeying(parameters: Parameters, identity: str) -> list[str]:
    """Generations whose own settings name a retraction."""
    plans = parameters.generations.items()
    return [name for name, plan in plans if identity in plan.curate.get("obey", [])]


def _list(project: Project, options: argparse.Namespace) -> int:
    from aldata import params

    found = retractions_of(project.root)
    parameters = params.load(project.params)
    if options.json:
        rows = [{"id": item.id, **item.content, "revoked": item.revoked} for item in found]
        print(json.dumps(rows, indent=1))
        return 0
    print("\n".join(_line(item, _obeying(parameters, item.id)) for item in found) or "none")
    return 0


def _line(item: Retraction, obeyed: Sequence[str]) -> str:
    content = item.content
    state = "holds" if item.revoked is None else f"revoked {item.revoked['made'][:10]}"
    how = f"obeyed from {', '.join(obeyed)} on" if obeyed else "obeyed by no generation so far"
    return (
        f"{item.id}  {content['made'][:10]}  {len(content['calls'])} calls: {content['reason']}  "
        f"({state}; {how}; {content['by']})"
    )


def _page(found: Mapping[str, Any], options: argparse.Namespace) -> str:
    counts, cost = found["counts"], found["cost"]
    lines = [
        calls_page(dict(found)),
        "",
        "touched: " + ", ".join(f"{count} {name}" for name, count in counts.items()),
        f"to rebuild from {', '.join(cost['from']) or 'nothing'}: "
        f"{len(cost['trained_again'])} trainings ({cost['training_seconds']:.0f} s), at most "
        f"{cost['calls_at_most']} new calls ({cost['oracle_cpu_seconds']:.3g} CPU s), by the records",
        "",
    ]
    identity = found["retraction"]
    if identity is None:
        lines.append("nothing was changed (--dry-run)")
    elif options.since is not None:
        lines += [
            f"retracted as {identity}, from {options.since} on. Next:",
            "  aldata status     what runs again, and what it costs",
            "  dvc repro         (generations of git's history buy no new calls unless allowed by "
            "name: ALDATA_ALLOW_CALLS)",
        ]
    else:
        lines += [
            f"retracted as {identity}. History stays; models that use the calls are tainted. Next:",
            "  git commit        the retraction is on record",
            "  aldata advance    the next generation does not use them",
        ]
    return "\n".join(lines)
