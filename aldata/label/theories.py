"""From a name and settings to a pinned level of theory, and back to an oracle."""

from __future__ import annotations

from typing import Any

from aldata.artifacts.documents import Theory
from aldata.errors import InvalidParameters, OracleUnavailable
from aldata.label.oracles import ORACLES, Oracle
from aldata.label.versions import VersionPolicy, record_of


def resolve(name: str, settings: dict[str, Any], version_policy: VersionPolicy = "major") -> Theory:
    """The level of theory that an oracle's name and settings stand for, every default spelled out.

    version_policy: which versions of the codes count as the same level of theory.
    Raises InvalidParameters for an unknown oracle or setting, naming the valid ones, and
    OracleUnavailable for a code that is not installed or does not know the method.
    """
    if name not in ORACLES:
        raise InvalidParameters(
            f"there is no oracle '{name}'",
            where="params.yaml: oracle.name",
            expected=f"one of: {', '.join(ORACLES)}",
        )
    kind = ORACLES[name]
    checked = kind.SETTINGS.checked(settings, where="params.yaml: oracle.settings")
    return _theory_of(name, kind(checked).resolved(), version_policy)


def tighter(theory: Theory) -> Theory:
    """The same method with less numerical noise. Raises OracleUnavailable where there is none."""
    return _theory_of(theory.oracle, build(theory).tighter(), _policy_of(theory))


def restarted(theory: Theory) -> Theory:
    """The same method from another start of its iterations; the same theory where there is none."""
    return _theory_of(theory.oracle, build(theory).restarted(), _policy_of(theory))


def _theory_of(name: str, oracle: Oracle, policy: VersionPolicy) -> Theory:
    record = record_of(oracle, policy)
    return Theory(oracle=name, settings=oracle.settings.content(), record=record)


def _policy_of(theory: Theory) -> VersionPolicy:
    """The policy that a level of theory was pinned with."""
    found: VersionPolicy = theory.record.get("version_policy", "major")
    return found


def from_theory(theory: Theory) -> Oracle:
    """The oracle that answers at a pinned level of theory.

    Raises OracleUnavailable if what is installed here would compute another one.
    """
    oracle = build(theory)
    found = record_of(oracle, _policy_of(theory))
    if found != theory.record:
        changed = sorted(
            key
            for key in found.keys() | theory.record.keys()
            if found.get(key) != theory.record.get(key)
        )
        raise OracleUnavailable(
            f"what is installed here computes another level of theory: {', '.join(changed)}",
            where=f"oracle: {theory.oracle}",
            expected=", ".join(f"{key} {theory.record.get(key)}" for key in changed),
            next_step="install the version that the project began with, or begin a new project",
        )
    return oracle


def build(theory: Theory) -> Oracle:
    """The oracle of a level of theory, not compared with what is installed."""
    if theory.oracle not in ORACLES:
        raise OracleUnavailable(
            f"this aldata has no oracle '{theory.oracle}'",
            expected=f"one of: {', '.join(ORACLES)}",
        )
    kind = ORACLES[theory.oracle]
    where = f"level of theory {theory.id[:12]}"
    return kind(kind.SETTINGS.checked(theory.settings, where=where, error=OracleUnavailable))
