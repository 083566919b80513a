"""What was measured, as a record that git tracks, and which generations it holds for."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from aldata.artifacts.documents import Noise, Theory
from aldata.records import Record

FOLDER = Path("noise")
"""Folder of a project with one file per level of theory."""


class Estimate(Record):
    """One way to see the noise. Energies in eV per frame of the mean size, forces in eV/A.

    An `..._error` is the standard error of the sigma before it, from `frames` frames and, for the
    energy, `degrees_of_freedom`.
    """

    sigma_energy: float = Field(ge=0)
    sigma_energy_error: float = Field(ge=0)
    sigma_forces: float = Field(ge=0)
    sigma_forces_error: float = Field(ge=0)
    frames: int
    degrees_of_freedom: int


class FrameNoise(Record):
    """One frame that was asked again: differences to tighter settings, spread of its repeats.

    Energies in eV per frame, forces in eV/A. `energy_difference` is E - E(tighter), offset included;
    `forces_difference` the RMS of F - F(tighter) over components. `energy_spread` and
    `forces_spread` are standard deviations (ddof 1) over the call and its repeats, forces turned
    back. `net_force` is the largest component of the sum of forces. None where a call was not
    accepted.
    """

    configuration: str
    generation: str
    atoms: int
    call: str
    tighter_call: str | None
    repeat_calls: list[str]
    net_force: float
    energy_difference: float | None
    forces_difference: float | None
    energy_spread: float | None
    forces_spread: float | None


class Measurement(Record):
    """The numerical noise of one level of theory, and all that it rests on.

    sigma_energy (eV per frame of `mean_atoms` atoms) and sigma_forces (eV/A per component): the
    larger of the estimates `tighter` and `repeats`, which see the same errors from two sides.
    `offset_energy_per_atom`: mean of E - E(tighter), a bias and no part of sigma.
    `earlier_generations` were made before this was known: they keep the noise they were made with.
    """

    sigma_energy: float = Field(ge=0)
    sigma_energy_per_atom: float = Field(ge=0)
    sigma_energy_from: Literal["tighter", "repeats"]
    sigma_forces: float = Field(ge=0)
    sigma_forces_from: Literal["tighter", "repeats"]
    mean_atoms: float
    offset_energy_per_atom: float | None
    offset_energy_per_atom_error: float | None
    tighter: Estimate | None
    repeats: Estimate
    tighter_theory: Theory
    repeats_theory: Theory
    frames_chosen_by: str
    frames: list[FrameNoise]
    earlier_generations: list[str] = []


class Ended(Record):
    """What happened to a call that a measurement asked for; never part of a measurement's digest."""

    call_id: str
    status: str
    failure: str
    cpu_seconds: float
    wall_seconds: float
    host: str | None
    start: str | None
    end: str | None
    version: str | None

    @classmethod
    def of(cls, fact: dict[str, Any]) -> Ended:
        """Of what `label` says about a call."""
        return cls(**{name: fact[name] for name in cls.model_fields})


class NoiseFile(Record):
    """All measurements at one level of theory, the newest last, and what their calls cost where.

    Files of an older aldata have no `calls`.
    """

    theory_id: str
    measurements: list[Measurement] = Field(min_length=1)
    calls: list[Ended] = []


def path_of_noise(theory_id: str) -> Path:
    """Path of a level of theory's file, relative to the project."""
    return FOLDER / f"{theory_id[:12]}.json"


def noise_of(generation: str, stated: Noise, measured: NoiseFile | None) -> Noise:
    """The noise that a generation is made with: the newest measurement that it may use.

    A measurement does not hold for generations that were made before it: with another noise they
    might have asked for other frames, and history is not bought twice. Without one: as stated.
    """
    known = measured.measurements if measured else []
    usable = [m for m in known if generation not in m.earlier_generations]
    if not usable:
        return stated
    newest = usable[-1]
    return Noise(
        theory_id=stated.theory_id,
        sigma_energy=newest.sigma_energy,
        sigma_forces=newest.sigma_forces,
        source=f"measured on {len(newest.frames)} frames: {newest.digest[:12]} in "
        f"{path_of_noise(stated.theory_id)}",
    )
