"""Plain and biased trajectories of the same seeds: which is sooner where the model does not know."""

from __future__ import annotations

import argparse
import math
from typing import Any

from exploration_parts.subjects import subjects


def bias_study(arguments: argparse.Namespace) -> None:
    """Plain and biased trajectories of the same seeds, and when they are where sigma is high."""
    import numpy as np
    from scipy.stats import t as student

    seen = {
        name: np.array([looks(arguments, seed, name) for seed in range(arguments.seeds)])
        for name in ("plain", "biased")
    }
    level, count = np.nanquantile(seen["plain"], 0.95), seen["plain"].shape[1]
    print(f"{arguments.seeds} seeds, {5 * count} steps, high: sigma above {level:.3f} eV/A")
    for name, sigmas in seen.items():
        above = sigmas > level
        steps = 5 * (np.where(above.any(axis=1), above.argmax(axis=1), count - 1) + 1)
        share = 100 * above.sum() / np.isfinite(sigmas).sum()
        print(
            f"{name}: high first after {np.median(steps):.0f} steps (median; mean {steps.mean():.0f}), "
            f"{above.any(axis=1).sum()} of {len(steps)} ever, {share:.1f} % of the frames high"
        )
    gain = np.nanmean(np.log(seen["biased"]) - np.log(seen["plain"]), axis=1)
    half = student.ppf(0.975, len(gain) - 1) * gain.std(ddof=1) / len(gain) ** 0.5
    middle, low, high = np.exp([gain.mean(), gain.mean() - half, gain.mean() + half])
    print(f"sigma, biased over plain, paired: {middle:.2f} (95 % interval {low:.2f} to {high:.2f})")


def looks(arguments: argparse.Namespace, seed: int, name: str) -> list[float]:
    """Sigma at every fifth step of one trajectory."""
    from aldata.explore import BiasedDynamics, MolecularDynamics, Trajectory, Watch, walk
    from aldata.explore.samplers.biased_dynamics import biased_mean
    from aldata.potentials.uncertainty import UncertaintySettings

    checkpoint, starts = subjects(arguments)
    method = UncertaintySettings()
    plan: dict[str, Any] = {
        "steps": arguments.steps + 100, "equilibration": 100, "interval": 5, "decorrelate": False,
    }  # fmt: skip
    found = walk(
        Trajectory(
            start=starts[seed % len(starts)],
            temperature=300,
            random_seed=seed,
            settings=MolecularDynamics(**plan) if name == "plain" else BiasedDynamics(**plan),
            calculator=lambda: biased_mean(checkpoint, method.ridge),
            watch=Watch(
                checkpoint=checkpoint, uncertainty=method, alpha=1.0, every=5, sigma_lo=None,
                sigma_hi=1e9,
            ),
        )
    )  # fmt: skip
    print(
        f"seed {seed}, {name}: largest sigma {found.largest_sigma:.3f} eV/A, {found.ended}",
        flush=True,
    )
    return found.sigmas + [math.nan] * (arguments.steps // 5 - len(found.sigmas))
