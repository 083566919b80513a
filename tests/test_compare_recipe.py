"""The recipe of docs/compare.md for a study on labels that exist, as it is written there."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write
from projects import Project

from aldata import params
from aldata.artifacts.frames import Candidates, Selection
from aldata.cli.main import parser
from aldata.compare import planned

PAGE = (Path(__file__).parents[1] / "docs" / "compare.md").read_text()
[RECIPE] = re.findall(
    r"<!-- run by tests/test_compare_recipe.py.*?```bash\n(.*?)```", PAGE, re.DOTALL
)
ISOLATED = {"H": -13.6, "C": -1027.6, "O": -2040.7}
"""What the recipe states, in eV."""


def labelled(count: int, seed: int) -> list[Atoms]:
    """Shaken ethanol with energies (the atoms' included) and forces by EMT."""
    frames = []
    for number in range(count):
        atoms = molecule("CH3CH2OH")
        atoms.rattle(0.08, seed=seed + number)
        atoms.calc = EMT()
        offset = sum(ISOLATED[symbol] for symbol in atoms.symbols)
        answer = {"energy": atoms.get_potential_energy() + offset, "forces": atoms.get_forces()}
        atoms.calc = SinglePointCalculator(atoms, **answer)
        frames.append(atoms)
    return frames


SETTING_UP, STUDYING = RECIPE.split("aldata compare run", 1)


def set_up(folder: Path) -> tuple[Project, list[Atoms], str]:
    """The project of the recipe on a pool of 100 frames, and what its commands print."""
    pool = labelled(100, 0)
    write(folder / "labelled.xyz", pool)
    write(folder / "held.xyz", labelled(5, 1000))
    text = Project(folder).ok("bash", "-c", "set -e\n" + SETTING_UP)
    return Project(folder / "replayed"), pool, text


def test_the_recipe_makes_a_plan_on_a_fixed_pool(tmp_path: Path) -> None:
    project, _, text = set_up(tmp_path)
    assert re.search(r"g003 .*planned", text)
    plan = params.load(project.root / "params.yaml")
    assert plan.oracle.settings["isolated_energies"] == ISOLATED
    assert project.ok("git", "status", "--porcelain") == ""
    for command in ("aldata compare run" + STUDYING).strip().splitlines():
        parser().parse_args(command.split()[1:])
    strategies = re.search(r"--strategies (\S+)", STUDYING)[1].split(",")
    assert {run.strategy for run in planned("study", strategies, 5, 1)} == set(strategies)


@pytest.mark.slow
def test_the_null_draws_from_the_whole_pool_before_there_is_a_model(tmp_path: Path) -> None:
    project, pool, _ = set_up(tmp_path)
    project.set({"acquire.strategy": "permuted"})
    project.ok("dvc", "repro", "acquire@g000")
    found = project.read(Candidates, "g000")
    assert len(found) == len(pool)
    np.testing.assert_allclose(found.positions[:9], pool[0].positions, atol=1e-6)
    assert len(project.ended_calls()) == 3, "the isolated atoms, as stated"
    selection = project.read(Selection, "g000")
    assert selection.attributes["strategy"] == "permuted"
    assert "uniformly" in selection.attributes["reasons"][1]
