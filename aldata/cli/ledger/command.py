"""The subcommands of `aldata ledger`."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from typing import Any

from aldata import ledger
from aldata.cli.ledger.accounts import accounts, table
from aldata.cli.ledger.asked import Asked, generations, noise_calls, who_asked
from aldata.cli.ledger.page import document, found_call, page
from aldata.cli.ledger.sources import in_history, in_workspace
from aldata.cli.project import Project
from aldata.errors import LedgerError
from aldata.ledger.exchange import Exchanged
from aldata.ledger.settings import LedgerSettings, remember_remote


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the subcommands of `aldata ledger` and their options."""
    acts = parser.add_subparsers(dest="act", required=True, metavar="ACT")
    stats = acts.add_parser("stats", help="calls and CPU hours by generation, strategy, status")
    show = acts.add_parser("show", help="everything that is known of one call")
    show.add_argument("call", help="first digits of a call id or of a configuration id")
    verify = acts.add_parser("verify", help="check every object and raw file by its content")
    rebuild = acts.add_parser("rebuild", help="take calls back from labels that DVC keeps")
    rebuild.add_argument("--all-revs", action="store_true", help="of every commit and experiment")
    rebuild.add_argument("--check", action="store_true", help="only say whether both agree")
    for name, text in (("push", "copy calls to a URL"), ("pull", "copy calls from a URL")):
        exchange = acts.add_parser(name, help=text)
        exchange.add_argument("url", nargs="?", help="any fsspec URL (default: the last one used)")
        exchange.add_argument("--raw", action="store_true", help="raw input and output files too")
    for act in (stats, show, verify, rebuild):
        act.add_argument("--json", action="store_true", help="machine-readable")


def run(options: argparse.Namespace) -> int:
    """Run one subcommand; exit code 1 where something is damaged or does not agree."""
    project = Project.here()
    acts = {"stats": _stats, "show": _show, "verify": _verify, "rebuild": _rebuild}
    return acts.get(options.act, _exchange)(project, options)


def _stats(project: Project, options: argparse.Namespace) -> int:
    found = accounts(project.ledger, generations(project.root), noise_calls(project.root))
    print(json.dumps(found, indent=1) if options.json else table(found))
    return 0


def _show(project: Project, options: argparse.Namespace) -> int:
    identity = found_call(project.ledger, options.call)
    found = document(project.ledger, identity)
    asked: list[Asked] = []
    if found["record"] is not None:
        asked = who_asked(project.root, identity, found["record"]["configuration_id"])
    found["asked"] = [vars(item) for item in asked]
    print(json.dumps(found, indent=1) if options.json else page(found))
    return 0


def _verify(project: Project, options: argparse.Namespace) -> int:
    found = ledger.verify(project.ledger)
    if options.json:
        damages = [{"file": file, "problem": problem} for file, problem in found.damages]
        print(json.dumps({**vars(found), "damages": damages}, indent=1))
        return 1 if found.damages else 0
    for file, problem in found.damages:
        print(f"DAMAGED {file}: {problem}")
    for note in found.notes:
        print(f"note: {note}")
    print(
        f"{found.calls} calls, {found.attempts} attempts, {found.raw_files} raw files checked: "
        f"{len(found.damages)} damaged"
    )
    if found.damages:
        print(
            "Next: aldata ledger pull, or aldata ledger rebuild, after moving a damaged call away; "
            "one that is asked for again is set aside and computed anew"
        )
    return 1 if found.damages else 0


def _rebuild(project: Project, options: argparse.Namespace) -> int:
    """Take back what is missing; what the ledger answers otherwise is named and left alone."""
    book, taken, different = project.ledger, Counter[str](), dict[str, str]()
    missing: dict[str, str] = {}
    sources = in_history(project) if options.all_revs else in_workspace(project)
    if not options.check:
        book.ready()
    for sealed in sources:
        absent, other = ledger.missing_and_different(sealed.labels, book)
        different |= dict.fromkeys(other, sealed.name)
        missing |= dict.fromkeys(absent, sealed.name)
        if options.check:
            continue
        found = ledger.records_in(sealed.labels, sealed.facts, sealed.theory, sealed.source)
        taken.update(found.skipped)
        for record in found.records:
            with book.claim(record.call_id):
                if book.find(record.call_id) is None:
                    book.store(record)
                    taken["taken back"] += 1
                else:
                    taken["in the ledger already"] += 1
    report = {"calls": dict(taken), "missing": missing, "different": different}
    bad = bool(different) or (options.check and bool(missing))
    print(json.dumps(report, indent=1) if options.json else _sentences(report, options.check))
    return 1 if bad else 0


def _sentences(report: dict[str, Any], check: bool) -> str:
    lines = [f"{count} {reason}" for reason, count in report["calls"].items()]
    for identity, where in report["different"].items():
        lines.append(f"DIFFERENT {identity}: the ledger's result is not the one sealed in {where}")
    if check:
        lines += [
            f"MISSING {identity}: sealed in {at}" for identity, at in report["missing"].items()
        ]
        counts = f"{len(report['missing'])} missing, {len(report['different'])} different"
        lines.append(f"labels against the ledger: {counts}")
    return "\n".join(lines) or "there are no labels"


def _exchange(project: Project, options: argparse.Namespace) -> int:
    remembered = LedgerSettings.load(project.home).remote
    url = options.url or remembered
    if url is None:
        raise LedgerError(
            "no URL was given, and none is remembered",
            where="aldata ledger",
            next_step=f"aldata ledger {options.act} URL (it is remembered in .aldata/config.yaml)",
        )
    act = ledger.push if options.act == "push" else ledger.pull
    done = act(project.ledger, url, raw=options.raw)
    if url != remembered and not done.refused:
        remember_remote(project.home, url)
    print(_told(done, url, options.act))
    return 1 if done.refused else 0


def _told(done: Exchanged, url: str, act: str) -> str:
    lines = [f"REFUSED {name}: {problem}" for name, problem in done.refused]
    way = "to" if act == "push" else "from"
    lines.append(
        f"{done.calls} calls {way} {url} ({done.present} were there), {done.attempts} attempts "
        f"without a verdict, {done.raw_files} raw files"
    )
    return "\n".join(lines)
