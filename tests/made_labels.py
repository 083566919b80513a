"""Labels and predictions of small molecules, made from a seed, for tests of several verbs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from aldata import digest
from aldata.artifacts.documents import call_id
from aldata.artifacts.frames import (
    Configuration,
    Labels,
    Predictions,
    geometry_columns,
    result_digest,
)
from aldata.artifacts.schema import FAILURES, PURPOSES, STATUSES

THEORY = digest.of_json("a level of theory")
WATER = np.array([[0.0, 0.0, 0.12], [0.0, 0.76, -0.48], [0.0, -0.76, -0.48]])


def molecule(seed: int, spread: float = 0.3) -> Configuration:
    """A water molecule, every atom displaced at random: far from any other seed's."""
    shift = np.random.default_rng(seed).normal(scale=spread, size=(3, 3))
    return Configuration(
        numbers=np.array([8, 1, 1], np.int32),
        positions=WATER + shift,
        cell=np.zeros((3, 3)),
        pbc=np.zeros(3, bool),
    )


def moved(configuration: Configuration, seed: int, nudge: float = 0.0) -> Configuration:
    """The same configuration turned, shifted, its equal atoms swapped and nudged by `nudge` A."""
    rng = np.random.default_rng(seed)
    rotation = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    order = np.concatenate(
        [rng.permutation(np.flatnonzero(configuration.numbers == z)) for z in (1, 8)]
    )
    noise = rng.normal(size=configuration.positions.shape)
    noise *= nudge / np.linalg.norm(noise, axis=1).max()
    return Configuration(
        numbers=configuration.numbers[order],
        positions=(configuration.positions + noise)[order] @ rotation.T + rng.normal(size=3),
        cell=configuration.cell @ rotation.T,
        pbc=configuration.pbc,
    )


def make_labels(
    configurations: Sequence[Configuration],
    *,
    purpose: Sequence[str] | str = "acquired",
    trajectory: Sequence[int] | int = -1,
    status: Sequence[str] | str = "accepted",
    value: float = 0.0,
) -> Labels:
    """Labels of the configurations; energies and forces depend on the content and on `value`."""
    n = len(configurations)
    statuses = [status] * n if isinstance(status, str) else list(status)
    purposes = [purpose] * n if isinstance(purpose, str) else list(purpose)
    accepted = np.array([s == "accepted" for s in statuses], dtype=bool)
    energy = np.array([-76.0 + c.positions.sum() + value for c in configurations])
    forces = [np.full((len(c), 3), value) + c.positions for c in configurations]
    for row in np.flatnonzero(~accepted):
        energy[row], forces[row] = np.nan, np.full_like(forces[row], np.nan)
    results = [
        result_digest(s, float(e), f, None) if s == "accepted" else result_digest(s, *3 * [None])
        for s, e, f in zip(statuses, energy, forces, strict=True)
    ]
    return Labels(
        **geometry_columns(list(configurations)),
        call_id=digest.to_bytes([call_id(c.id, THEORY) for c in configurations]),
        result_digest=digest.to_bytes(results),
        status=np.array([STATUSES.index(s) for s in statuses]),
        failure=np.where(accepted, 0, FAILURES.index("not_converged")),
        purpose=np.array([PURPOSES.index(p) for p in purposes]),
        trajectory=np.broadcast_to(np.asarray(trajectory), (n,)),
        energy=energy,
        forces=np.concatenate([np.zeros((0, 3)), *forces]),
        stress=np.full((n, 6), np.nan),
        sigma_energy=np.zeros(n),
        sigma_forces=np.zeros(n),
        attributes={"theory_id": THEORY},
    )


def committee_of(
    labels: Labels, members: int, alpha: float, seed: int, shape: Sequence[float] = (1, 1, 1)
) -> Predictions:
    """Predictions whose errors are `alpha` times as wide as the committee's own spread.

    Each frame has its own sigma; `shape` gives the eigenvalues of every force's covariance along a
    random frame of axes.
    """
    rng = np.random.default_rng(seed)
    n, atoms = len(labels), len(labels.numbers)
    sigma = np.exp(rng.normal(scale=0.5, size=n))
    energies = labels.energy + sigma * (rng.normal(size=(members, n)) + alpha * rng.normal(size=n))
    axes = np.linalg.qr(rng.normal(size=(atoms, 3, 3)))[0]
    root = axes * np.sqrt(np.asarray(shape, float) / np.mean(shape))[None, None, :]
    draws = rng.normal(size=(members, atoms, 3)) + alpha * rng.normal(size=(atoms, 3))
    scale = sigma[labels.frame_of_atom]
    forces = labels.forces + np.einsum("nij,mnj->mni", root, draws) * scale[:, None]
    deviation = forces - forces.mean(axis=0)
    return Predictions(
        configuration_id=labels.configuration_id,
        row_size=labels.row_size,
        energy=energies.mean(axis=0),
        energy_variance=energies.var(axis=0, ddof=1),
        forces=forces.mean(axis=0),
        force_covariance=np.einsum("mni,mnj->nij", deviation, deviation) / (members - 1),
        attributes={"checkpoint": digest.of_json("a checkpoint"), "members": members},
    )
