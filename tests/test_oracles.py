"""The contract that every oracle keeps. What is particular to one is in test_oracles_<name>.py."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracle_examples import (
    EXAMPLES,
    STEP,
    STRAIN,
    STRESSES,
    Example,
    direction_of,
    moved,
    rotated,
    strained,
    turn,
)

from aldata.label import (
    ORACLES,
    Answer,
    LabelSettings,
    Oracle,
    OracleFailure,
    from_theory,
    resolve,
    restarted,
    tighter,
)
from aldata.label.verdicts import of_geometry
from aldata.label.versions import NUMBERS

PARAMETERS = [
    pytest.param(name, marks=[pytest.mark.slow] if EXAMPLES[name].slow else [])
    for name in sorted(EXAMPLES)
]


@pytest.fixture(scope="module", params=PARAMETERS)
def example(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Example]:
    """An example whose code is there and whose files are made."""
    found = EXAMPLES[request.param]
    with pytest.MonkeyPatch.context() as patch:
        more = found.prepare(patch, tmp_path_factory.mktemp("prepared"))
        yield replace(found, settings={**found.settings, **more})


@dataclass(frozen=True)
class Answered:
    """The answer to the example's question, and the folder with its files."""

    answer: Answer
    folder: Path


def oracle_of(example: Example, **settings: Any) -> Oracle:
    return from_theory(resolve(example.name, {**example.settings, **settings}))


@pytest.fixture(scope="module")
def answered(example: Example, tmp_path_factory: pytest.TempPathFactory) -> Answered:
    folder = tmp_path_factory.mktemp("answer")
    return Answered(oracle_of(example).label(example.good, folder), folder)


@pytest.fixture(scope="module")
def answer(answered: Answered) -> Answer:
    return answered.answer


@pytest.fixture
def folders(tmp_path: Path) -> Iterator[Path]:
    """Fresh folders, one per call, as the ledger gives them."""

    def fresh() -> Iterator[Path]:
        count = 0
        while True:
            folder = tmp_path / str(count)
            folder.mkdir()
            yield folder
            count += 1

    return fresh()


def test_every_oracle_has_an_example() -> None:
    assert {example.name for example in EXAMPLES.values()} == set(ORACLES)


def test_an_answer_is_whole_and_proved(example: Example, answer: Answer) -> None:
    assert np.isfinite(answer.energy)
    assert answer.forces.shape == example.good.positions.shape
    assert np.isfinite(answer.forces).all()
    assert answer.converged is True
    assert answer.proof["by"]
    assert (answer.stress is not None) == bool(example.good.pbc.all())
    assert example.starved is None or (answer.scf_steps or 0) > 2


def test_raw_input_is_written(answered: Answered) -> None:
    content = json.loads((answered.folder / "input.json").read_text())
    assert content["geometry"]["charge"] == 0
    assert not [path for path in answered.folder.iterdir() if path.is_dir()]


def test_the_same_question_has_the_same_answer(
    example: Example, answer: Answer, folders: Iterator[Path]
) -> None:
    oracle = oracle_of(example)
    # another question in between must not matter
    oracle.label(moved(example.good, 1), next(folders))
    again = oracle.label(example.good, next(folders))
    assert again.energy == answer.energy
    assert np.array_equal(again.forces, answer.forces)


def test_forces_are_minus_the_gradient(
    example: Example, answer: Answer, folders: Iterator[Path]
) -> None:
    oracle = oracle_of(example)
    energies = [oracle.label(moved(example.good, s), next(folders)).energy for s in (1, -1)]
    slope = (energies[0] - energies[1]) / (2 * STEP)
    expected = -(answer.forces * direction_of(example.good)).sum()
    assert abs(expected) > 0.1
    assert slope == pytest.approx(expected, rel=2e-3, abs=2 * example.noise)


def test_a_rotated_question_has_the_rotated_answer(
    example: Example, answer: Answer, folders: Iterator[Path]
) -> None:
    found = oracle_of(example).label(rotated(example.good), next(folders))
    assert found.energy == pytest.approx(answer.energy, abs=max(1e-8, example.noise / 4))
    assert found.forces == pytest.approx(answer.forces @ turn().T, abs=example.noise)
    if answer.stress is not None and found.stress is not None:
        tensor = turn() @ tensor_of(answer.stress) @ turn().T
        assert tensor_of(found.stress) == pytest.approx(tensor, abs=max(1e-9, example.noise / 100))


def tensor_of(voigt: Sequence[float] | Any) -> Any:
    xx, yy, zz, yz, xz, xy = voigt
    return np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])


def test_stress_is_the_strain_derivative_of_the_energy(
    example: Example, answer: Answer, folders: Iterator[Path]
) -> None:
    if answer.stress is None:
        pytest.skip("a molecule has no stress")
    oracle, volume = oracle_of(example), abs(np.linalg.det(example.good.cell))
    for component, directions in STRESSES.items():
        energies = [
            oracle.label(strained(example.good, directions, sign), next(folders)).energy
            for sign in (1, -1)
        ]
        slope = (energies[0] - energies[1]) / (2 * STRAIN) / volume
        assert abs(slope) > 3 * example.stress, "too small to tell its sign"
        assert slope == pytest.approx(answer.stress[component], rel=1e-3, abs=example.stress)


def test_tighter_settings_answer_alike_at_another_level_of_theory(
    example: Example, answer: Answer, folders: Iterator[Path]
) -> None:
    theory = resolve(example.name, example.settings)
    tight = tighter(theory)
    assert set(tight.record) == set(theory.record)
    found = from_theory(tight).label(example.good, next(folders))
    # SCF and grid move forces by a few meV/A; a basis, a cutoff or k-points would by far more
    assert found.forces == pytest.approx(answer.forces, abs=5 * example.noise)
    if tight.id == theory.id:
        assert np.array_equal(found.forces, answer.forces), "exact, and yet another answer"


def test_another_start_ends_in_the_same_place(
    example: Example, answer: Answer, folders: Iterator[Path]
) -> None:
    other = from_theory(restarted(resolve(example.name, example.settings)))
    found = other.label(example.good, next(folders))
    assert found.energy == pytest.approx(answer.energy, abs=max(1e-8, example.noise / 4))
    assert found.forces == pytest.approx(answer.forces, abs=example.noise)


def test_iterations_that_do_not_end_are_no_label(example: Example, folders: Iterator[Path]) -> None:
    if example.starved is None:
        pytest.skip("it does not iterate")
    with pytest.raises(OracleFailure) as caught:
        oracle_of(example, **example.starved).label(example.good, next(folders))
    assert caught.value.failure == "not_converged"


def test_nonsense_is_refused_before_a_call_and_the_good_is_not(example: Example) -> None:
    oracle = oracle_of(example)
    assert oracle.check([example.good]) == []
    problems = oracle.check([example.good, example.nonsense])
    assert len(problems) == 1
    assert len(problems[0]) > 20


@pytest.mark.parametrize("nonsense", ["not finite", "on top of each other"])
def test_a_geometry_without_meaning_gets_no_label(
    example: Example, folders: Iterator[Path], nonsense: str
) -> None:
    positions = example.good.positions.copy()
    positions[1] = np.nan if nonsense == "not finite" else positions[0]
    broken = replace(example.good, positions=positions)
    assert of_geometry(broken, LabelSettings()).status == "rejected"
    # and if somebody asks the oracle itself, it does not answer with numbers
    with contextlib.suppress(Exception):
        found = oracle_of(example).label(broken, next(folders))
        numbers = [found.energy, *found.forces.ravel()]
        pytest.fail(f"an answer: {numbers}") if np.isfinite(numbers).all() else None


def test_the_theory_is_plain_and_complete(example: Example) -> None:
    theory = resolve(example.name, example.settings)
    assert json.loads(json.dumps(theory.record)) == theory.record
    assert theory.record["code"]
    again = resolve(theory.oracle, theory.settings)
    assert again == theory  # what is resolved resolves to itself


def test_versions_count_by_policy_and_only_there(example: Example) -> None:
    oracle = oracle_of(example)
    assert not [key for key in oracle.theory() if "version" in key]
    by = {
        policy: resolve(example.name, example.settings, policy).record["version"]
        for policy in NUMBERS
    }
    assert by["exact"] == oracle.version()
    assert all(re.search(r"\d", part) for part in oracle.version().split(", "))
    assert by["exact"].startswith(by["minor"].split(", ")[0])
    assert by["minor"].startswith(by["major"].split(", ")[0])
