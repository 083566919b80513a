"""explore.samplers reaction_path: the band, what lies around it, and ends that are no ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import add_adsorbate, fcc100
from ase.calculators.calculator import Calculator
from ase.calculators.emt import EMT
from ase.io import write
from ase.optimize import BFGS
from made_potentials import ethanol, in_process, untrained

from aldata import digest
from aldata.artifacts.checkpoints import Checkpoint, null_checkpoint
from aldata.artifacts.conversion import from_atoms
from aldata.artifacts.frames import Candidates, as_configurations
from aldata.artifacts.schema import SAMPLERS as KINDS
from aldata.cli.status import bands
from aldata.digest import NO_HASH, to_hex
from aldata.errors import InvalidInput, InvalidParameters
from aldata.explore import (
    SAMPLERS,
    Checks,
    Context,
    Displacements,
    EndPoint,
    ExploreSettings,
    ReactionPath,
    committee_mean,
    explore,
    propose,
)
from aldata.explore.bands import Band, relaxed
from aldata.potentials.uncertainty import UncertaintySettings, predict


def relaxed_slab(site: str) -> Atoms:
    """A copper atom on aluminium, relaxed where it was put (at the bridge it stays, by symmetry)."""
    slab = fcc100("Al", (2, 2, 2))
    add_adsorbate(slab, "Cu", 1.6, site)
    slab.center(axis=2, vacuum=4.0)
    slab.calc = EMT()
    BFGS(slab, logfile=None).run(fmax=0.002, steps=500)
    return slab


@pytest.fixture(scope="module")
def hop() -> tuple[Atoms, Atoms]:
    """Before and after a hop from one hollow site to the next."""
    before = relaxed_slab("hollow")
    after = before.copy()
    # one surface site on, by way of the cell's edge: the band must take the shortest way
    after.positions[-1, 0] -= before.cell[0, 0] / 2
    after.wrap()
    after.calc = EMT()
    BFGS(after, logfile=None).run(fmax=0.002, steps=500)
    return before, after


def emt(_: Checkpoint) -> Calculator:
    return EMT()


class NotANumber(EMT):  # type: ignore[misc]
    """Loses its way at the thirtieth structure."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = 0

    def calculate(self, *arguments: Any) -> None:
        super().calculate(*arguments)
        self.seen += 1
        if self.seen >= 30:
            self.results["forces"][0, 0] = np.nan


class Raising(EMT):  # type: ignore[misc]
    def calculate(self, *_: Any) -> None:
        raise RuntimeError("no neighbours")


def settings_of(project: Path, start: Atoms, end: Atoms, **changes: Any) -> ReactionPath:
    """Settings for a path between two geometries, which are written into the project."""
    points = []
    for name, atoms in (("structures/start.xyz", start), ("pools/end.xyz", end)):
        (project / name).parent.mkdir(exist_ok=True)
        write(project / name, atoms, format="extxyz")
        points.append(EndPoint(file=name, sha256=digest.of_file(project / name)[:12]))
    short = {"images": 5, "neighbours": 2, "displacement": 0.02, "steps": 40}
    return ReactionPath(start=points[0], end=points[1], **{**short, **changes})


def context_of(project: Path, start: Atoms, **more: Any) -> Context:
    shared = {"run": in_process, "calculator": emt, "project": project}
    starts = as_configurations([from_atoms(start)])
    return Context(
        starts=starts, **{"checkpoint": untrained(numbers=(1, 6, 8, 13, 29)), **shared, **more}
    )


def test_the_barrier_of_a_hop_is_the_energy_of_its_saddle(hop: tuple[Atoms, Atoms]) -> None:
    """Which is known without a band: by symmetry it is at the bridge."""
    saddle = relaxed_slab("bridge").get_potential_energy() - hop[0].get_potential_energy()
    end = EndPoint(file="pools/x.xyz", sha256="0" * 12)
    settings = ReactionPath(start=end, end=end, images=5, fmax=0.01, steps=150)
    start, after = (from_atoms(atoms) for atoms in hop)
    found = relaxed(Band(start=start, end=after, settings=settings, calculator=EMT))
    assert found.converged
    assert found.ended == "completed"
    assert found.barrier == pytest.approx(saddle, abs=2e-3)
    assert found.reaction_energy == pytest.approx(0.0, abs=2e-3)
    moved = np.diff([image.positions[-1, 0] for image in found.images])
    assert (moved < 0).all()  # by the shortest way
    assert abs(moved.sum()) == pytest.approx(hop[0].cell[0, 0] / 2, abs=0.05)


def test_candidates_come_most_uncertain_first_and_know_their_image(
    hop: tuple[Atoms, Atoms], tmp_path: Path
) -> None:
    settings = settings_of(tmp_path, *hop)
    context = context_of(tmp_path, hop[0], alpha=1.5)
    (found,) = SAMPLERS["reaction_path"](settings, context, 4)
    assert len(found.frames) == 15
    predicted = predict(context.checkpoint, as_configurations(found.frames), UncertaintySettings())
    traces = np.trace(predicted.force_covariance, axis1=1, axis2=2)
    largest = [traces[predicted.atoms_of(row)].max() for row in range(15)]
    np.testing.assert_allclose(found.sigmas, 1.5 * np.sqrt(largest), rtol=1e-5)
    assert found.sigmas == sorted(found.sigmas, reverse=True)
    assert found.record["largest_sigma"] == found.sigmas[0]
    heights = np.array(found.record["energies"]) - found.record["energies"][0]
    assert heights.max() == found.record["barrier"]
    assert found.record["along"][0] == 0
    assert len(found.record["along"]) == len(heights) == 5
    assert (np.diff(found.record["along"]) > 0.1).all()
    assert sorted(found.images) == sorted(list(range(5)) * 3)
    by_id = {frame.id: k for k, frame in enumerate(found.frames)}
    for k, parent in enumerate(found.parents):
        if parent != found.record["start"]:  # a copy, near its image
            image = by_id[parent]
            assert found.images[k] == found.images[image]
            apart = found.frames[k].positions - found.frames[image].positions
            assert 0 < np.linalg.norm(apart, axis=1).max() < 0.6
    assert found.parents.count(found.record["start"]) == 5 + 2  # images, and copies of the start


def test_where_there_are_too_many_the_most_uncertain_stay(
    hop: tuple[Atoms, Atoms], tmp_path: Path
) -> None:
    settings = settings_of(tmp_path, *hop, frames=6, steps=2)
    context = context_of(tmp_path, hop[0])
    (found,) = SAMPLERS["reaction_path"](settings, context, 4)
    (whole,) = SAMPLERS["reaction_path"](settings_of(tmp_path, *hop, steps=2), context, 4)
    assert [f.id for f in found.frames] == [f.id for f in whole.frames[:6]]
    plan = ExploreSettings(samplers=[settings, Displacements(frames=9)], candidates=6)
    joined = explore(plan, 4, context)
    assert joined.ids[:3] == [f.id for f in whole.frames[:3]]
    assert joined.image[:3].tolist() == whole.images[:3]
    assert joined.sigma[:3].tolist() == whole.sigmas[:3]
    assert joined.image[3:].tolist() == [-1] * 3
    assert np.isnan(joined.sigma[3:]).all()
    assert [KINDS[kind] for kind in joined.sampler] == ["reaction_path"] * 3 + ["strain"] * 3
    assert to_hex(joined.parent_configuration)[0] != NO_HASH


def test_a_band_that_does_not_converge_says_so_and_its_images_are_candidates(
    hop: tuple[Atoms, Atoms], tmp_path: Path
) -> None:
    settings = settings_of(tmp_path, *hop, steps=3, fmax=1e-6)
    (found,) = SAMPLERS["reaction_path"](settings, context_of(tmp_path, hop[0]), 0)
    assert found.record["ended"].startswith("not converged in 3 steps: a force of ")
    assert found.record["ended"].endswith("wanted 1e-06")
    assert found.record["converged"] is False
    assert found.record["band_steps"] == 3 == found.steps[0]
    assert found.record["barrier"] > 0.1
    assert set(found.images) == {0, 1, 2, 3, 4}


@pytest.mark.parametrize(
    ("calculator", "said"),
    [
        (NotANumber, "not finite: forces on the band, at step "),
        (Raising, r"the calculator failed \(RuntimeError: no neighbours\)"),
    ],
)
def test_a_calculator_that_loses_its_way_ends_the_band(
    calculator: type[EMT], said: str, hop: tuple[Atoms, Atoms], tmp_path: Path
) -> None:
    context = context_of(tmp_path, hop[0], calculator=lambda _: calculator())
    (found,) = SAMPLERS["reaction_path"](settings_of(tmp_path, *hop), context, 0)
    import re

    assert re.match(said, found.record["ended"])
    assert found.record["barrier"] is None
    assert found.record["converged"] is False
    assert all(np.isfinite(frame.positions).all() for frame in found.frames)


def test_what_the_checks_refuse_is_left_out_and_counted(
    hop: tuple[Atoms, Atoms], tmp_path: Path
) -> None:
    settings = settings_of(tmp_path, *hop, displacement=0.4, neighbours=10, steps=1)
    (found,) = SAMPLERS["reaction_path"](settings, context_of(tmp_path, hop[0]), 0)
    assert 0 < found.record["left_out"] < 50
    assert len(found.frames) == 55 - found.record["left_out"]
    strict = context_of(tmp_path, hop[0], checks=Checks(max_force=1e-6))
    with pytest.raises(InvalidInput, match="reaction_path 0: not converged"):
        explore(ExploreSettings(samplers=[settings]), 0, strict)


def test_a_molecule_may_lie_anywhere_and_anyhow() -> None:
    """The end is laid over the start: the path is that of the same molecule not turned."""
    start, end = ethanol(0, 0.05), ethanol(1, 0.05)
    turned = end.copy()
    turned.rotate(70, (1, 2, 3))
    turned.translate([5.0, 1.0, 0.0])
    point = EndPoint(file="pools/x.xyz", sha256="0" * 12)
    settings = ReactionPath(start=point, end=point, images=4, steps=5)
    both = [
        Band(start=from_atoms(start), end=from_atoms(b), settings=settings, calculator=EMT)
        for b in (end, turned)
    ]
    one, other = (relaxed(band) for band in both)
    np.testing.assert_allclose(one.energies, other.energies, atol=1e-6)
    far = np.abs(other.images[-1].positions - start.positions).max()
    assert far < 0.5


# bad input


def changed(atoms: Atoms, change: Callable[[Atoms], None]) -> Atoms:
    other = atoms.copy()
    change(other)
    return other


def _other_order(atoms: Atoms) -> None:
    order = np.r_[1, 0, 2 : len(atoms)]
    atoms.numbers, atoms.positions = atoms.numbers[order], atoms.positions[order]


def _other_element(atoms: Atoms) -> None:
    atoms.numbers[0] = 29


def _one_atom_less(atoms: Atoms) -> None:
    del atoms[0]


def _other_cell(atoms: Atoms) -> None:
    atoms.set_cell([9.0, 9.0, 9.0])
    atoms.pbc = True


def _ion(atoms: Atoms) -> None:
    atoms.info["charge"] = 1


START = ethanol(0, 0.05)[[2, 0, 1, 3, 4, 5, 6, 7, 8]]  # oxygen first


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_one_atom_less, "the ends have 9 and 8 atoms"),
        (_other_element, "the ends have different elements"),
        (_other_order, "atoms in different orders .the first that differs is number 0"),
        (_other_cell, "the ends have different cells"),
        (_ion, "the ends differ in charge"),
        (lambda atoms: None, "both are the same configuration"),
    ],
)
def test_ends_of_no_path_are_one_error_before_any_work(
    change: Callable[[Atoms], None], said: str, tmp_path: Path
) -> None:
    def never(*_: Any) -> Any:
        raise AssertionError("worked")

    settings = settings_of(tmp_path, START, changed(START, change))
    plan = ExploreSettings(samplers=[Displacements(), settings])
    with pytest.raises(InvalidInput, match=said) as error:
        explore(plan, 0, context_of(tmp_path, START, run=never))
    assert "start structures/start.xyz, end pools/end.xyz" in str(error.value)
    assert "give other files" in str(error.value)
    # and before there is a model, when another sampler would have worked alone
    null = null_checkpoint(np.array([1, 6, 8, 29]), np.zeros(4))
    first = Candidates.empty({"checkpoint": NO_HASH, "random_seed": 9, "trajectories": []})
    with pytest.raises(InvalidInput, match=said):
        propose(first, plan, 0, context_of(tmp_path, START, run=never, checkpoint=null))


def test_files_that_are_not_there_or_not_the_ones_meant(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, START, ethanol(3))
    context = context_of(tmp_path, START)
    write(tmp_path / "pools/end.xyz", ethanol(4))
    now = digest.of_file(tmp_path / "pools/end.xyz")[:12]
    with pytest.raises(InvalidInput, match=f"take this one: sha256: {now}"):
        SAMPLERS["reaction_path"](settings, context, 0)
    (tmp_path / "pools/end.xyz").unlink()
    with pytest.raises(InvalidInput, match=r"pools/end.xyz: there is no such file"):
        SAMPLERS["reaction_path"](settings, context, 0)
    beyond = settings.start.model_copy(update={"index": 3})
    with pytest.raises(InvalidInput, match=r"structures/start.xyz: .*index '3'"):
        SAMPLERS["reaction_path"](settings.model_copy(update={"start": beyond}), context, 0)


def test_elements_that_the_model_does_not_know(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, START, ethanol(3)[[2, 0, 1, 3, 4, 5, 6, 7, 8]])
    context = replace(context_of(tmp_path, START), checkpoint=untrained(numbers=(1, 6)))
    with pytest.raises(InvalidInput, match="the model does not know O") as error:
        SAMPLERS["reaction_path"](settings, context, 0)
    assert "of the elements H, C" in str(error.value)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"images": 2}, "images"),
        ({"steps": 0}, "steps"),
        (
            {"start": {"file": "/etc/passwd", "sha256": "0" * 12}},
            "must lie in pools/ or structures/",
        ),
        ({"end": {"file": "pools/x.xyz"}}, "sha256' is missing"),
        ({"climbing": True}, "unknown name .*climb"),
    ],
)
def test_settings_that_cannot_be(changes: dict[str, Any], said: str) -> None:
    end = {"file": "pools/x.xyz", "sha256": "0" * 12}
    plan = {"samplers": [{"name": "reaction_path", "start": end, "end": end, **changes}]}
    with pytest.raises(InvalidParameters, match=said):
        ExploreSettings.checked(plan, "explore")


def test_the_committee_s_mean_finds_a_path(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, START, ethanol(3)[[2, 0, 1, 3, 4, 5, 6, 7, 8]], steps=4)
    context = context_of(tmp_path, START, calculator=committee_mean)
    plan = ExploreSettings(samplers=[settings])
    one, other = (explore(plan, seed, context) for seed in (1, 1))
    assert one.digest == other.digest
    assert explore(plan, 2, context).digest != one.digest


def test_status_tells_the_barrier_of_each_generation() -> None:
    found = {"barrier_meV": 371.4, "bands": 2, "bands_converged": 1}
    none = {"barrier_meV": None, "bands": 0, "bands_converged": 0}
    rows = [
        {"name": "g000", "metrics": {"explore": none}},
        {"name": "g001", "metrics": {"explore": found}},
        {"name": "g002", "metrics": {}},
        {"name": "g003", "metrics": {"explore": {"trajectories": 8}}},  # of an older aldata
    ]
    assert bands(rows) == ["g001: barrier 371 meV by its parent's model; 1 of 2 bands converged"]
