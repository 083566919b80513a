"""A failed call may be asked again at other settings: another level of theory, never taken for it."""

from __future__ import annotations

from typing import Any

import numpy as np

from aldata.artifacts.documents import Theory
from aldata.artifacts.frames import Configurations, Labels
from aldata.artifacts.schema import FAILURES, PURPOSES
from aldata.errors import InvalidParameters
from aldata.label.requests import Requests, isolated_atoms
from aldata.label.settings import Fallback
from aldata.label.theories import resolve
from aldata.label.versions import VersionPolicy
from aldata.records import merged


def fallback_theory(
    name: str, fallback: Fallback, theory: Theory, settings: dict[str, Any], policy: VersionPolicy
) -> Theory:
    """The level of theory of a fallback: its settings laid over the oracle's.

    Raises InvalidParameters for settings that the oracle does not know or that change nothing, and
    OracleUnavailable.
    """
    other = resolve(theory.oracle, merged(settings, fallback.settings), policy)
    if other.id == theory.id:
        raise InvalidParameters(
            "its settings change nothing: a failed call would fail again",
            where=f"params.yaml: label.fallbacks.{name}.settings",
            expected="settings that differ from oracle.settings",
        )
    return other


def failed_requests(labels: Labels, fallback: Fallback) -> Requests:
    """What failed as the fallback says and has no accepted label yet, and the isolated atoms.

    Each configuration once, with the purpose and the noise of its first label. The atoms show how
    far the energies of the two levels of theory are apart. Without a failure nothing is asked.
    """
    answered = {labels.ids[row] for row in np.flatnonzero(labels.accepted)}
    codes = [FAILURES.index(failure) for failure in fallback.after]
    first: dict[str, int] = {}
    for row in np.flatnonzero(np.isin(labels.failure, codes)):
        if labels.ids[row] not in answered:
            first.setdefault(labels.ids[row], int(row))
    rows = list(first.values())
    failed = labels.take(rows)
    again = Configurations.from_arrays({n: failed.arrays[n] for n in Configurations.names()}, {})
    atoms = isolated_atoms(np.unique(failed.numbers).tolist()) if rows else again
    purpose = np.full(len(atoms), PURPOSES.index("isolated_atom"), dtype=np.uint8)
    return Requests(
        configurations=Configurations.concatenate([again, atoms], {}),
        purpose=np.concatenate([failed.purpose, purpose]),
        trajectory=np.concatenate([failed.trajectory, np.full(len(atoms), -1, dtype=np.int32)]),
        sigma_energy=float(labels.sigma_energy.max(initial=0.0)),
        sigma_forces=float(labels.sigma_forces.max(initial=0.0)),
    )


def with_fallback(labels: Labels, answers: Labels, name: str, theory: Theory) -> Labels:
    """The labels and, after them, a fallback's at `theory`: both are kept, and told apart."""
    item = {
        "name": name,
        "theory_id": theory.id,
        "theory": theory.content(),
        "calls": answers.call_ids,
    }
    items = [*labels.attributes.get("fallbacks", []), item]
    return Labels.concatenate([labels, answers], {**labels.attributes, "fallbacks": items})
