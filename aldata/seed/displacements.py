"""The first candidates: the given structures, displaced at random and, if periodic, strained."""

from __future__ import annotations

import numpy as np

from aldata.artifacts.displacing import ATTEMPTS, is_strained
from aldata.artifacts.displacing import displaced as moved
from aldata.artifacts.frames import Candidates, Configuration, Configurations, geometry_columns
from aldata.artifacts.schema import SAMPLERS
from aldata.digest import NO_HASH, to_bytes
from aldata.errors import InvalidParameters
from aldata.seed.settings import SeedSettings


def displaced(structures: Configurations, settings: SeedSettings, seed: int) -> Candidates:
    """The given structures and random displacements of them, `settings.candidates` in all.

    All structures come first, even if there are more of them than candidates were asked for. Every
    further candidate takes the next structure in turn and, after each round, the next standard
    deviation of `settings.displacement`: positions move by independent normal numbers. A periodic
    cell is also strained by a symmetric tensor with components uniform in +-`settings.strain`,
    within the periodic directions. Candidate k depends on (`seed`, k) only.

    Raises InvalidParameters when displacements keep pushing atoms closer than
    `settings.min_distance_factor`.
    """
    n = len(structures)
    frames = list(structures)
    samplers = ["given"] * n
    parents = [NO_HASH] * n
    for k in range(n, settings.candidates):
        row, turn = k % n, (k - n) // n
        deviation = settings.displacement[turn % len(settings.displacement)]
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(k,)))
        frame = _drawn(structures[row], deviation, settings, rng)
        strained = is_strained(structures[row], settings.strain)
        frames.append(frame)
        samplers.append("strain" if strained else "displacement")
        parents.append(structures.ids[row])
    return Candidates(
        **geometry_columns(frames),
        sampler=np.array([SAMPLERS.index(s) for s in samplers]),
        trajectory=np.full(len(frames), -1),
        step=np.zeros(len(frames)),
        temperature=np.zeros(len(frames)),
        parent_configuration=to_bytes(parents),
        image=np.full(len(frames), -1),
        bead=np.full(len(frames), -1),
        sigma=np.full(len(frames), np.nan),
        attributes={"checkpoint": NO_HASH, "random_seed": seed, "trajectories": []},
    )


def _drawn(
    structure: Configuration, deviation: float, settings: SeedSettings, rng: np.random.Generator
) -> Configuration:
    least = settings.min_distance_factor
    frame = moved(structure, deviation, settings.strain, least, rng)
    if frame is not None:
        return frame
    raise InvalidParameters(
        f"displacements of {deviation} A leave atoms too close in {ATTEMPTS} of {ATTEMPTS} draws",
        where=f"seed.displacement, structure {structure.id[:8]}",
        expected=f"contacts above {least} sums of covalent radii",
        next_step="lower seed.displacement or seed.strain, or check the structure",
    )
