"""A band between two configurations, and its neighbourhood: most uncertain first."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from aldata.artifacts.checkpoints import Checkpoint
from aldata.artifacts.frames import Configuration, Float
from aldata.artifacts.geometry_files import read_geometries
from aldata.errors import InvalidInput
from aldata.explore.bands import Band, Path, relaxed
from aldata.explore.checks import geometry_problem, pieces_of
from aldata.explore.samplers.finding import Context, Finding, spawned
from aldata.explore.samplers.given import pinned
from aldata.explore.settings import Checks, EndPoint, ReactionPath
from aldata.explore.watching import sigmas_of
from aldata.potentials.uncertainty import UncertaintySettings

WHERE = "explore.samplers: reaction_path"
SAME_CELL = 1e-6
"""How far the cell vectors of the ends may differ (A)."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Search:
    """A band to relax and to look around, by the model that judges what is found."""

    band: Band
    random_seed: int
    checkpoint: Checkpoint
    uncertainty: UncertaintySettings
    alpha: float
    checks: Checks


def reaction_path(settings: ReactionPath, context: Context, seed: int) -> list[Finding]:
    """The images of one band and displaced copies of them, in the order of their sigma.

    `step` is the number of steps that the band took, `image` the place on it; an image started from the
    start of the path, a copy from its image. Frames that the physical checks refuse are left out, and
    counted in the record. Raises InvalidInput for ends that are no ends of a path, see `check_ends`.
    """
    start, end = check_ends(settings, context)
    calculator = partial(context.calculator, context.checkpoint)
    search = Search(
        band=Band(start=start, end=end, settings=settings, calculator=calculator),
        random_seed=seed,
        checkpoint=context.checkpoint,
        uncertainty=context.uncertainty,
        alpha=context.alpha,
        checks=context.checks,
    )
    (found,) = context.run(found_along, [search])
    return [found]


def check_ends(settings: ReactionPath, context: Context) -> tuple[Configuration, Configuration]:
    """The two ends. Raises InvalidInput unless they are two configurations of the same atoms.

    That is: of the same elements in the same order, in the same cell, of the same charge and spin, with
    elements that the model knows.
    """
    from ase.data import chemical_symbols

    start, end = (_end(point, context) for point in (settings.start, settings.end))
    problem = _difference(start, end)
    if problem is None and start.id == end.id:
        problem = "both are the same configuration", "two different ones"
    known = context.checkpoint.numbers.tolist()
    foreign = sorted({int(number) for number in start.numbers} - set(known))
    if problem is None and foreign:
        names = [", ".join(chemical_symbols[z] for z in numbers) for numbers in (foreign, known)]
        problem = f"the model does not know {names[0]}", f"of the elements {names[1]}"
    if problem is not None:
        what, expected = problem
        raise InvalidInput(
            what,
            where=f"{WHERE}, start {settings.start.file}, end {settings.end.file}",
            expected=expected,
            next_step="give other files, or another `index` of their frames",
        )
    return start, end


def _end(point: EndPoint, context: Context) -> Configuration:
    pinned(context.project, point.file, point.sha256)
    path = context.project / point.file
    return read_geometries(path, str(point.index), context.charge, context.spin)[0]


def _difference(start: Configuration, end: Configuration) -> tuple[str, str] | None:
    """What makes them ends of no path, and what was expected."""
    if len(start) != len(end):
        return f"the ends have {len(start)} and {len(end)} atoms", "the same atoms in both"
    if sorted(start.numbers.tolist()) != sorted(end.numbers.tolist()):
        return "the ends have different elements", "the same atoms in both"
    unlike = np.flatnonzero(start.numbers != end.numbers)
    if len(unlike):
        return (
            f"the ends have their atoms in different orders (the first that differs is number "
            f"{unlike[0]}, counted from 0)",
            "one order: atom k of the start becomes atom k of the end",
        )
    if (start.pbc != end.pbc).any() or np.abs(start.cell - end.cell).max() > SAME_CELL:
        return "the ends have different cells", "one cell: a band does not change it"
    if (start.charge, start.spin) != (end.charge, end.spin):
        return "the ends differ in charge or unpaired electrons", "the same in both"
    return None


def found_along(search: Search) -> Finding:
    """Relax the band, look around it, and put what the checks let pass in the order of sigma."""
    from aldata.potentials.uncertainty import predictor

    path = relaxed(search.band)
    frames, images, parents = _around(path, search)
    pieces = max(pieces_of(end, search.checks) for end in (search.band.start, search.band.end))
    good = [k for k, f in enumerate(frames) if _fit(f, search.checks, pieces)]
    predict = predictor(search.checkpoint, search.uncertainty)
    sigmas, forces = sigmas_of([frames[k] for k in good], predict, search.alpha)
    calm = [row for row, force in enumerate(forces) if force <= search.checks.max_force]
    # what is not a number is the most uncertain of all
    order = sorted(calm, key=lambda row: -np.nan_to_num(sigmas[row], nan=np.inf))
    kept = [good[row] for row in order][: search.band.settings.frames]
    record = _record(path, search) | {
        "left_out": len(frames) - len(calm),
        "largest_sigma": max((float(s) for s in sigmas[calm]), default=None),
    }
    return Finding(
        record=record,
        frames=[frames[k] for k in kept],
        steps=[path.steps] * len(kept),
        temperatures=[0.0] * len(kept),
        kinds=["reaction_path"] * len(kept),
        parents=[parents[k] for k in kept],
        images=[images[k] for k in kept],
        sigmas=[float(sigmas[row]) for row in order[: len(kept)]],
        ranked=True,
    )


def _fit(frame: Configuration, checks: Checks, pieces: int) -> bool:
    if not np.isfinite(frame.positions).all():
        return False
    return geometry_problem(frame, checks, pieces) is None


def _around(path: Path, search: Search) -> tuple[list[Configuration], list[int], list[str]]:
    """The images and their copies: configurations, numbers of images, ids that they started from."""
    settings, start = search.band.settings, search.band.start.id
    frames, images, parents = list(path.images), list(range(len(path.images))), []
    parents += [start] * len(frames)
    places = np.array([image.positions for image in path.images])
    for image, one in enumerate(path.images):
        rng = np.random.default_rng(spawned(search.random_seed, image))
        for _ in range(settings.neighbours):
            moved = _beside(places, image, rng) + settings.displacement * rng.standard_normal(
                one.positions.shape
            )
            frames.append(_at(one, moved))
            images.append(image)
            parents.append(one.id)
    return frames, images, parents


def _beside(places: Float, image: int, rng: np.random.Generator) -> Float:
    """A place on the straight way to the image before or behind, at most half of it: (atom, 3) in A."""
    sides = [other for other in (image - 1, image + 1) if 0 <= other < len(places)]
    side = int(rng.choice(sides))
    there: Float = places[image] + 0.5 * rng.random() * (places[side] - places[image])
    return there


def _at(image: Configuration, positions: Float) -> Configuration:
    return replace(image, positions=positions)


def _record(path: Path, search: Search) -> dict[str, Any]:
    settings = search.band.settings
    return {
        "sampler": settings.name,
        "files": [settings.start.file, settings.end.file],
        "start": search.band.start.id,
        "end": search.band.end.id,
        "random_seed": search.random_seed,
        "images": settings.images,
        "band_steps": path.steps,
        "converged": path.converged,
        "largest_force": path.largest_force,
        "barrier": path.barrier,
        "reaction_energy": path.reaction_energy,
        "along": path.along.tolist(),
        "energies": path.energies.tolist(),
        "ended": path.ended,
    }
