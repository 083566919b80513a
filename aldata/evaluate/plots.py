"""Data of the plots that `dvc plots show` draws: lists of flat records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from aldata.artifacts.frames import Integer, Labels, Predictions
from aldata.artifacts.residuals import residuals

AXES = ("x", "y", "z")


def parity(
    predictions: Predictions, labels: Labels, points: int, random_seed: int = 0
) -> list[dict[str, Any]]:
    """Labelled against predicted force components in eV/A, at most `points` of them.

    More are thinned to a random sample that depends on `random_seed` and their number only; the
    component with the largest error is always among them. `element` is the atomic number.
    """
    pair = residuals(predictions, labels)
    reference, predicted = pair.labels.forces.ravel(), pair.predictions.forces.ravel()
    chosen = _thinned(np.abs(predicted - reference), points, random_seed)
    numbers = np.repeat(pair.labels.numbers, 3)
    return [
        {
            "reference_eV_per_A": float(reference[i]),
            "predicted_eV_per_A": float(predicted[i]),
            "element": int(numbers[i]),
            "component": AXES[int(i) % 3],
        }
        for i in chosen
    ]


def bands(records: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Energies along the bands of a generation, by its parent's model: one entry per image.

    records: how its exploration went. along_A: length of the path from the start; energy_meV: above the
    start. A band without energies is left out.
    """
    found = []
    for record in records:
        energies = record.get("energies") or []
        name = " to ".join(record.get("files", []))
        for image, (along, energy) in enumerate(
            zip(record.get("along", []), energies, strict=False)
        ):
            found.append(
                {
                    "band": name if record["converged"] else f"{name} (not converged)",
                    "image": image,
                    "along_A": along,
                    "energy_meV": 1e3 * (energy - energies[0]),
                }
            )
    return found


def _thinned(errors: np.ndarray[Any, Any], points: int, random_seed: int) -> Integer:
    if len(errors) <= points:
        return np.arange(len(errors), dtype=np.int64)
    worst = int(np.argmax(errors))
    order = np.random.default_rng(random_seed).permutation(len(errors))
    others = order[order != worst][: points - 1]
    return np.sort(np.append(others, worst)).astype(np.int64)
