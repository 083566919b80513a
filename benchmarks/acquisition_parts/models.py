"""What a model's belief costs: uncertainties, and batches by information."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from ase import Atoms
from ase.build import molecule

from acquisition_parts.timing import Found, median, seconds
from aldata.acquire import LastLayerBelief, Pool
from aldata.acquire.information import greedy, information
from aldata.acquire.screening import Energies, grams
from aldata.artifacts.conversion import from_atoms
from aldata.artifacts.frames import Configurations, Predictions, as_configurations


def batch(scale: float) -> list[Found]:
    from aldata.describe import DescribeSettings, describe

    count, size, screen = max(100, int(1e4 * scale)), 50, 300
    checkpoint, labels = trained(1)
    candidates = columns(ethanols(count, 1, 0.15))
    described = describe(candidates, DescribeSettings(soap={"n_max": 2, "l_max": 1}), [1, 6, 8])
    belief = LastLayerBelief(checkpoint, candidates, labels, 1e-6)
    pool = Pool(
        candidates=described,
        training=described.take([]),
        predictions=Predictions.empty({}),
        belief=belief,
        target=(1e-3, 2e-2),
    )
    screening, energies = seconds(lambda: Energies.of(pool))
    best = energies.best(pool, screen)
    jacobians, (found, _) = seconds(lambda: grams(pool.take(best), energies.scale))
    lazy, (rows, _) = seconds(lambda: greedy(found, size))
    slow, others = seconds(lambda: plain_greedy(found, size))
    return [
        {
            "candidates": count,
            "atoms": 9,
            "parameters": found.shape[-1],
            "screened": len(best),
            "energies": screening,
            "jacobians": jacobians,
            "lazy greedy": lazy,
            "plain greedy": slow,
            "batch": size,
            "same picks": rows.tolist() == others,
            "nats": information(found[rows]),
        }
    ]


def plain_greedy(found: np.ndarray, count: int) -> list[int]:
    """Every gain of every candidate anew for every pick."""
    known, rows = np.eye(found.shape[-1]), []
    for _ in range(min(count, len(found))):
        gains = np.linalg.slogdet(known + found)[1]
        gains[rows] = -np.inf
        rows.append(int(np.argmax(gains)))
        known = known + found[rows[-1]]
    return rows


def uncertainty(scale: float) -> list[Found]:
    from dataclasses import replace

    import torch

    from aldata.potentials import Committee, UncertaintySettings, predict
    from aldata.potentials.uncertainty.one_model import OneModel

    torch.set_num_threads(1)
    count = max(8, int(64 * scale))
    checkpoint, _ = trained(5)
    asked = columns(ethanols(count, 2))
    first = replace(
        checkpoint, weights=checkpoint.weights[:1], information=checkpoint.information[:1]
    )
    one = Committee.from_checkpoint(first)
    double = Committee.from_checkpoint(first, "float64")
    model = OneModel(checkpoint)
    posterior = model.posterior(1e-6)
    base = median(lambda: one.predict(asked))
    ways: dict[str, Callable[[], Any]] = {
        "energy and forces, one model, float32": lambda: one.predict(asked),
        "energy and forces, one model, float64": lambda: double.predict(asked),
        "last layer, energy alone (float64)": lambda: posterior.variances(model.energy_rows(asked)),
    }
    for name in ("committee", "last_layer", "shallow", "dropout"):
        settings = UncertaintySettings(method=name)
        label = "committee of 5" if name == "committee" else f"{name}, energy and forces (float64)"
        ways[label] = lambda s=settings: predict(checkpoint, asked, s)
    taken = {name: median(work, 3) for name, work in ways.items()}
    exact = taken["energy and forces, one model, float64"]
    return [
        {
            "way": name,
            "ms per frame": 1000 * value / count,
            "over float32": value / base,
            "over float64": value / exact,
        }
        for name, value in taken.items()
    ]


def trained(members: int) -> tuple[Any, Configurations]:
    """A short training of the default architecture on 40 frames, labels by EMT."""
    from study.emt import labelled

    from aldata.train import TrainingFrames, TrainSettings, train

    labels = labelled(ethanols(40, 0), None)
    roles = ["valid" if k % 6 == 5 else "train" for k in range(40)]
    data = TrainingFrames(labels, roles, np.array([1, 6, 8]), np.zeros(3), "00" * 32)
    settings = TrainSettings(members=members, steps=30)
    here: Callable[[Any, Any], Any] = lambda function, jobs: [function(job) for job in jobs]  # noqa: E731
    return train(data, settings, list(range(members)), here).checkpoint, labels


def ethanols(count: int, seed: int, spread: float = 0.1) -> list[Atoms]:
    rng, found = np.random.default_rng(seed), []
    for _ in range(count):
        atoms = molecule("CH3CH2OH")
        atoms.positions += rng.normal(scale=spread, size=(9, 3))
        found.append(atoms)
    return found


def columns(atoms: list[Atoms]) -> Configurations:
    return as_configurations([from_atoms(a) for a in atoms])
