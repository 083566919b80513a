"""What an oracle needs before its first call, looked at one thing after the other."""

from __future__ import annotations

import contextlib
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from aldata.artifacts.documents import Theory
from aldata.artifacts.frames import Configuration
from aldata.errors import AldataError
from aldata.label.oracles import OracleFailure
from aldata.label.theories import from_theory, resolve
from aldata.label.versions import VersionPolicy

FILES = {"pseudopotentials": "pseudopotential", "basis": "basis", "setups": "setup"}
"""Keys of a level of theory that hold a file with its hash for every element."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: what, whether it is as it must be, and the rest in words.

    `fix` is the command or the change that puts it right.
    """

    what: str
    good: bool
    said: str
    fix: str | None = None


def finding_of(what: str, problem: AldataError) -> Finding:
    """The finding that an error stands for."""
    said = f"{problem.where}: {problem.what}" if problem.where else problem.what
    if problem.expected:
        said += f" (expected: {problem.expected})"
    return Finding(what, False, said, problem.next_step)


def inspect_oracle(
    name: str,
    settings: dict[str, Any],
    configurations: Sequence[Configuration] = (),
    run: bool = False,
    version_policy: VersionPolicy = "major",
) -> list[Finding]:
    """Everything that keeps an oracle from answering: code, version, files, and what is asked.

    configurations: those that will be asked about, or examples of them. run: also compute the
    smallest one.
    """
    try:
        theory = resolve(name, settings, version_policy)
        oracle = from_theory(theory)
        version = oracle.version()
    except AldataError as problem:
        return [finding_of(f"oracle {name}", problem)]
    findings = [Finding(f"oracle {name}", True, f"{version}; level of theory {theory.id[:12]}")]
    findings += [
        Finding(f"{what} {element}", True, f"{record['file']} ({record['sha256'][:12]})")
        for key, what in FILES.items()
        if isinstance(theory.record.get(key), dict)
        for element, record in sorted(theory.record[key].items())
    ]
    fix = "correct oracle.settings, or charge and spin of the structures, in params.yaml"
    problems = oracle.check(list(configurations))
    findings += [Finding("configurations", False, problem, fix) for problem in problems]
    if configurations and not problems:
        findings.append(Finding("configurations", True, f"{len(configurations)} can be computed"))
    if run and configurations and not problems:
        findings.append(compute_one(theory, min(configurations, key=len)))
    return findings


def compute_one(theory: Theory, configuration: Configuration) -> Finding:
    """The finding of one real calculation, which is kept nowhere."""
    what = f"calculation of {len(configuration)} atoms"
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(sys.stderr):
        try:
            answer = from_theory(theory).label(configuration, Path(folder))
        except OracleFailure as problem:
            return Finding(what, False, f"{problem.failure}: {problem.message}")
        except Exception as problem:  # foreign code raises what it likes
            return Finding(what, False, f"{type(problem).__name__}: {problem}")
    largest = float(np.linalg.norm(answer.forces, axis=1).max(initial=0.0))
    steps = "" if answer.scf_steps is None else f", {answer.scf_steps} SCF steps"
    stress = "stress" if answer.stress is not None else "no stress"
    said = f"{answer.energy:.6f} eV, largest force {largest:.4f} eV/A, {stress}{steps}"
    return Finding(what, bool(np.isfinite(answer.energy)), said)
