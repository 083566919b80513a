"""From answers to the same question to the size of the noise in them.

The model: an answer at settings s about frame k, in orientation r, is

    E_kr = E_k + b N_k + eps_kr        F_kr = F_k + eta_kr

with E_k, F_k what the method would say without numerical noise, b a bias per atom, and eps, eta of
mean zero, standard deviation sigma_E and sigma_F (per component). Two views of the same sigma:

* repeats (r = 0 ... R, the bias is the same in all of them): the variance within a frame (ddof 1)
  has expectation sigma^2, whatever E_k and b are. K R degrees of freedom.
* tighter settings, whose own noise is much smaller: d_k = E_k - E_k' = b N_k + eps_k. The bias is
  estimated as b = sum d / sum N, and sigma_E^2 by what is left, with K - 1 degrees of freedom. What
  depends on the frame in the bias is counted as noise, and so are errors that a repeat cannot see,
  of an iteration that stopped too early. Forces have no mean to subtract: sigma_F is the RMS of
  F - F' over components.

An atom's errors being independent of its neighbours', the noise of a total energy grows as sqrt(N):
squares are weighted by 1/N, so that frames of different size count alike (for frames of one size
the formulas are the ordinary ones), and sigma_E is given for a frame of the mean size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from aldata.artifacts.frames import Float, Labels
from aldata.errors import InvalidInput
from aldata.noise.measurement import Estimate
from aldata.noise.moves import Moves

FEWEST = 3
"""Frames below which nothing is estimated."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Views:
    """Per frame, NaN where an answer is missing; energies in eV, forces in eV/A.

    energy_difference, forces_difference : to tighter settings, E - E' and RMS of F - F'.
    energy_spread, forces_spread : standard deviation over repeats, ddof 1.
    """

    energy_difference: Float
    forces_difference: Float
    energy_spread: Float
    forces_spread: Float


def measure(base: Labels, tight: Labels | None, repeats: Labels, moved: Moves) -> dict[str, Any]:
    """The fields of a `Measurement` that are estimated, and `views`, the numbers per frame.

    base : K accepted frames; tight : the same frames at tighter settings, None where there are none
    (an exact oracle); repeats : `moved.configurations`, answered. Raises InvalidInput when fewer
    than `FEWEST` frames were answered in all their repeats, or at tighter settings.
    """
    atoms = np.asarray(base.row_size, dtype=np.float64)
    views = Views(
        **_against_tighter(base, tight),
        **_over_repeats(base, repeats, moved),
    )
    again = _of_repeats(views, atoms, moved.repeats)
    close, bias, bias_error = None, None, None
    if tight is not None:
        close, bias, bias_error = _of_tighter(views, atoms)
    larger = {"repeats": again} if close is None else {"repeats": again, "tighter": close}
    energy_from = max(larger, key=lambda name: larger[name].sigma_energy)
    forces_from = max(larger, key=lambda name: larger[name].sigma_forces)
    return {
        "views": views,
        "sigma_energy": larger[energy_from].sigma_energy,
        "sigma_energy_per_atom": larger[energy_from].sigma_energy / float(atoms.mean()),
        "sigma_energy_from": energy_from,
        "sigma_forces": larger[forces_from].sigma_forces,
        "sigma_forces_from": forces_from,
        "mean_atoms": float(atoms.mean()),
        "offset_energy_per_atom": bias,
        "offset_energy_per_atom_error": bias_error,
        "tighter": close,
        "repeats": again,
    }


def _against_tighter(base: Labels, tight: Labels | None) -> dict[str, Float]:
    if tight is None:
        nothing = np.full(len(base), np.nan)
        return {"energy_difference": nothing, "forces_difference": nothing}
    return {
        "energy_difference": base.energy - tight.energy,
        "forces_difference": _per_frame(base, (base.forces - tight.forces) ** 2),
    }


def _over_repeats(base: Labels, repeats: Labels, moved: Moves) -> dict[str, Float]:
    energies = np.column_stack([base.energy, repeats.energy.reshape(len(base), moved.repeats)])
    variance = np.empty_like(base.forces)
    for row in range(len(base)):
        ours = range(row * moved.repeats, (row + 1) * moved.repeats)
        # x' = Q x and F' = Q F, so that rows of F' times Q are the forces turned back
        turned = [repeats.forces[repeats.atoms_of(k)] @ moved.turns[k] for k in ours]
        answers = np.array([base.forces[base.atoms_of(row)], *turned])
        variance[base.atoms_of(row)] = answers.var(axis=0, ddof=1)
    return {
        "energy_spread": energies.std(axis=1, ddof=1),
        "forces_spread": _per_frame(base, variance),
    }


def _per_frame(frames: Labels, squares: Float) -> Float:
    """Root of the mean of squares (atom, 3) over the components of each frame: shape (frame,)."""
    sums = np.add.reduceat(squares.sum(axis=1), frames.offsets[:-1])
    return np.asarray(np.sqrt(sums / (3 * frames.row_size)), dtype=np.float64)


def _of_repeats(views: Views, atoms: Float, repeats: int) -> Estimate:
    sound = np.isfinite(views.energy_spread) & np.isfinite(views.forces_spread)
    frames = _enough(int(sound.sum()), "in all their repeats")
    per_atom2 = float(np.mean(views.energy_spread[sound] ** 2 / atoms[sound]))
    return _estimate(
        per_atom2, views.forces_spread[sound], atoms[sound], frames * repeats, float(atoms.mean())
    )


def _of_tighter(views: Views, atoms: Float) -> tuple[Estimate, float, float]:
    """The estimate, the bias per atom, and its standard error."""
    sound = np.isfinite(views.energy_difference) & np.isfinite(views.forces_difference)
    frames = _enough(int(sound.sum()), "at tighter settings")
    difference, n = views.energy_difference[sound], atoms[sound]
    bias = float(difference.sum() / n.sum())
    per_atom2 = float(np.sum((difference - bias * n) ** 2 / n) / (frames - 1))
    estimate = _estimate(
        per_atom2, views.forces_difference[sound], n, frames - 1, float(atoms.mean())
    )
    return estimate, bias, float(np.sqrt(per_atom2 / n.sum()))


def _estimate(per_atom2: float, forces: Float, atoms: Float, free: int, mean: float) -> Estimate:
    """From a variance per atom and each frame's RMS of forces, which is weighted by components.

    The error of sigma_E is that of a normal sample, sigma / sqrt(2 nu); components of one frame are
    not independent, so the error of sigma_F comes from the scatter between frames.
    """
    weights = atoms / atoms.sum()
    forces2 = float(np.sum(weights * forces**2))
    scatter = np.sum((weights * (forces**2 - forces2)) ** 2) * len(atoms) / (len(atoms) - 1)
    sigma_energy, sigma_forces = float(np.sqrt(per_atom2 * mean)), float(np.sqrt(forces2))
    return Estimate(
        sigma_energy=sigma_energy,
        sigma_energy_error=sigma_energy / np.sqrt(2 * free),
        sigma_forces=sigma_forces,
        sigma_forces_error=float(np.sqrt(scatter)) / (2 * sigma_forces) if sigma_forces else 0.0,
        frames=len(atoms),
        degrees_of_freedom=free,
    )


def _enough(frames: int, how: str) -> int:
    if frames < FEWEST:
        raise InvalidInput(
            f"only {frames} frames were answered {how}",
            where="aldata noise",
            expected=f"at least {FEWEST}",
            next_step="look at the failures above; ask for more frames with --frames",
        )
    return frames
