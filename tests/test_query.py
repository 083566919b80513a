"""Questions: the language of conditions, the quantities, and the commands on a real project."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_lineages import project_of, random_frames
from projects import Project

import aldata
from aldata.archive import StoredFrames
from aldata.artifacts.documents import Calibration, Manifest
from aldata.artifacts.frames import Candidates, Labels, Predictions, Selection
from aldata.cli.query import KINDS
from aldata.errors import InvalidInput
from aldata.query import QUANTITIES, known

PAGE = Path(__file__).parents[1] / "docs" / "query.md"


@pytest.fixture(scope="module")
def labels(tmp_path_factory: pytest.TempPathFactory) -> StoredFrames:
    root = tmp_path_factory.mktemp("query") / "p"
    made = random_frames(Labels, 40, 0)
    energy = np.where(np.arange(40) % 7 == 0, np.nan, np.round(made.energy, 1))
    changed = Labels.from_arrays({**made.arrays, "energy": energy}, made.attributes)
    project_of(root, {"seed": [changed.take(range(25))], "g000": [changed.take(range(25, 40))]})
    return aldata.open("labels", "g000", root=root)


def _sum(frames: StoredFrames, function: Any) -> list[Any]:
    return [function(frame) for frame in frames]


@pytest.mark.parametrize(
    ("where", "holds"),
    [
        ("n_atoms < 4", lambda f: f["row_size"] < 4),
        ("2 <= n_atoms < 5 and charge > 30", lambda f: 2 <= f["row_size"] < 5 and f["charge"] > 30),
        ("'O' in species", lambda f: 8 in f["numbers"]),
        ("'O' not in species or spin == 3", lambda f: 8 not in f["numbers"] or f["spin"] == 3),
        ("not energy > 0", lambda f: not f["energy"] > 0),
        ("energy != 0.5", lambda f: f["energy"] != 0.5 and f["energy"] == f["energy"]),
        ("abs(energy) * 2 > n_atoms / 4", lambda f: abs(f["energy"]) * 2 > f["row_size"] / 4),
        ("-energy + 1 < energy", lambda f: -f["energy"] + 1 < f["energy"]),
        ("status == 'failed'", lambda f: f["status"] == 2),
        ("status in ('failed', 'rejected')", lambda f: f["status"] in (1, 2)),
        ("generation != 'seed'", lambda f: f["generation"] != "seed"),
        ("retracted or status == 'accepted'", lambda f: f["status"] == 0),
        ("max_force > 2", lambda f: np.linalg.norm(f["forces"], axis=1).max() > 2),
        ("energy_per_atom < 0", lambda f: f["energy"] / f["row_size"] < 0),
        ("n_atoms in [2, 3] and True", lambda f: f["row_size"] in (2, 3)),
    ],
)
def test_conditions_are_what_python_says_frame_by_frame(
    labels: StoredFrames, where: str, holds: Any
) -> None:
    generations = labels.column("generation")
    expected = [
        identity
        for row, identity in enumerate(labels.ids)
        if holds({**labels[row], "generation": generations[row]})
    ]
    assert labels.query(where).ids == expected


def test_sorting_is_stable_by_id_and_frames_without_a_value_come_last(
    labels: StoredFrames,
) -> None:
    energy = dict(zip(labels.ids, labels.column("energy").tolist(), strict=True))
    for sort, sign in (("energy", 1), ("-energy", -1)):
        found = labels.query(sort=sort).ids
        numbers = sorted((sign * e, i) for i, e in energy.items() if e == e)
        assert found == [i for _, i in numbers] + sorted(i for i, e in energy.items() if e != e)
        assert labels.query(sort=sort, top=4).ids == found[:4]
    both = labels.query(sort=("status", "-n_atoms"))
    pairs = list(
        zip(both.quantity("status").tolist(), (-both.quantity("n_atoms")).tolist(), strict=True)
    )
    assert pairs == sorted(pairs)
    assert len(labels.query("n_atoms > 1000")) == 0
    assert len(labels.query("n_atoms > 1000", "-energy", 3)) == 0


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("n_atom < 3", r"no quantity 'n_atom'[^$]*one of: id, call"),
        ("n_atoms <", "cannot be read"),
        ("n_atoms", "is no condition"),
        ("status < 'b'", "compares word with word"),
        ("n_atoms < 'a'", "compares number with word"),
        ("'O' in status", "compares word with word"),
        ("species == 'O'", "compares elements with word"),
        ("n_atoms in (1, 'a')", "no list"),
        ("'Xx' in species", "is no element"),
        ("n_atoms ** 9 > 1", r"only \+ - \* /"),
        ("__import__('os')", r"only function is abs"),
        ("n_atoms.real > 1", "not part of the language"),
        ("(lambda: 1) == 1", "not part of the language"),
        ("[n for n in 'a'] == 1", "not part of the language"),
        ("n_atoms > None", "neither a number nor a word"),
        ("n_atoms and True", "is a number, not a flag"),
        ("sampler == 'given'", "no quantity 'sampler'"),
    ],
)
def test_what_is_not_understood_is_refused(labels: StoredFrames, where: str, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        labels.query(where)


def test_bad_sorting_and_bad_numbers_are_refused(labels: StoredFrames) -> None:
    with pytest.raises(InvalidInput, match="labels have no quantity 'enrgy'"):
        labels.query(sort="-enrgy")
    with pytest.raises(InvalidInput, match="at least 1"):
        labels.query(top=0)
    with pytest.raises(InvalidInput, match="no quantity 'distanc'"):
        labels.quantity("distanc")


def test_only_what_is_named_is_computed(
    labels: StoredFrames, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    original = StoredFrames.take

    def take(self: StoredFrames, rows: Any = None, columns: Any = None) -> Any:
        asked.extend(columns or ["everything"])
        return original(self, rows, columns)

    monkeypatch.setattr(StoredFrames, "take", take)
    labels.query("charge > 10 and max_force > 1")
    assert set(asked) == {"charge", "forces", "row_size"}


def test_the_page_lists_every_quantity_with_its_meaning() -> None:
    text = PAGE.read_text()
    for quantity in QUANTITIES.values():
        kinds = ", ".join(kind for kind in KINDS if kind in quantity.recipes)
        row = f"| {quantity.name} | {quantity.unit} | {quantity.type} | {quantity.meaning} | {kinds} |"
        assert row in text, row


def test_uncertainty_of_a_real_project_is_the_predictions_calibrated(metal: Project) -> None:
    frames = aldata.open("candidates", "g001", root=metal.root)
    predictions, selection = metal.read(Predictions, "g001"), metal.read(Selection, "g001")
    alpha = metal.read(Calibration, "g000")
    here = frames.query("generation == 'g001'")
    assert here.ids == metal.read(Candidates, "g001").ids == predictions.ids
    trace = np.trace(predictions.force_covariance, axis1=1, axis2=2)
    largest = [trace[predictions.atoms_of(row)].max() for row in range(len(predictions))]
    np.testing.assert_allclose(
        here.quantity("sigma_forces"), alpha.forces.alpha * np.sqrt(largest), rtol=1e-12
    )
    np.testing.assert_allclose(
        here.quantity("sigma_energy"), alpha.energy.alpha * np.sqrt(predictions.energy_variance)
    )
    # the seed's model does not exist
    assert np.isnan(frames.query("generation == 'seed'").quantity("sigma_forces")).all()
    picked = here.query("rank >= 0", sort="rank")
    assert picked.ids == selection.ids
    np.testing.assert_array_equal(picked.quantity("score"), selection.score)
    order = sorted(range(len(here)), key=lambda row: (-largest[row], predictions.ids[row]))
    assert here.query(sort="-variance_forces").ids == [predictions.ids[row] for row in order]


def test_distances_of_a_real_project_are_those_of_the_strategy(metal: Project) -> None:
    from scipy.spatial.distance import cdist

    from aldata.acquire.distances import typical_spacing
    from aldata.artifacts.frames import Descriptors, rows_of

    frames = aldata.open("candidates", "g001", root=metal.root).query("generation == 'g001'")
    stored = metal.read(Descriptors, "g001")
    trained = aldata.open("labels", "g000", root=metal.root).query("role in ('train', 'valid')")
    described = metal.read(Descriptors, "g000")
    training = described.take(rows_of(described, sorted(trained.ids)))
    spacing = typical_spacing(training)
    expected = []
    for row in range(len(frames)):
        atoms = stored.atoms_of(row)
        far = [
            cdist(vector[None], training.descriptor[training.numbers == number]).min()
            for vector, number in zip(stored.descriptor[atoms], stored.numbers[atoms], strict=True)
        ]
        expected.append(max(far) / (spacing or 1.0))
    np.testing.assert_allclose(frames.quantity("distance"), expected, atol=1e-3)


def test_the_command_prints_tables_csv_json_and_writes_extxyz(
    metal: Project, tmp_path: Path
) -> None:
    question = ["candidates", "--generation", "g001", "--where", "n_atoms < 30 and 'Au' in species"]
    question += ["--sort", "-sigma_forces", "--top", "3"]
    table = metal.ok("aldata", "query", *question)
    assert "3 frames" in table
    assert "eV/A" in table
    rows = json.loads(metal.ok("aldata", "query", *question, "--format", "json"))
    frames = aldata.open("candidates", "g001", root=metal.root)
    expected = frames.query("n_atoms < 30 and 'Au' in species", "-sigma_forces", 3)
    assert [row["id"] for row in rows] == expected.ids
    assert [row["sigma_forces"] for row in rows] == expected.quantity("sigma_forces").tolist()
    file = tmp_path / "found.csv"
    metal.ok("aldata", "query", *question, "--format", "csv", "-o", str(file), "--columns", "role")
    with file.open() as stream:
        written = list(csv.DictReader(stream))
    assert [row["id"] for row in written] == expected.ids
    assert set(written[0]) == {"id", "generation", "n_atoms", "species", "sigma_forces", "role"}
    from ase.io import read

    geometries = tmp_path / "found.xyz"
    metal.ok("aldata", "query", *question, "--format", "extxyz", "-o", str(geometries))
    assert [atoms.info["configuration_id"] for atoms in read(geometries, ":")] == expected.ids
    listed = metal.ok("aldata", "query", "labels", "--list")
    assert all(name in listed for name in known("labels"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["candidates"], "--generation is missing"),
        (["labels", "--generation", "g009"], "no generation 'g009'"),
        (["labels", "--generation", "g001", "--where", "enrgy > 1"], "no quantity 'enrgy'"),
        (["labels", "--generation", "g001", "--columns", "colour"], "no quantity colour"),
        (["labels", "--generation", "g001", "--rev", "v9"], "no revision or experiment 'v9'"),
        (["labels", "--generation", "g001", "--format", "extxyz"], "needs a file"),
    ],
)
def test_bad_commands_are_one_message(metal: Project, arguments: list[str], message: str) -> None:
    done = metal.run("aldata", "query", *arguments)
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_diff_of_generations_and_revisions(metal: Project) -> None:
    found = json.loads(metal.ok("aldata", "diff", "g000", "g001", "--json"))
    added = [e.call for e in metal.read(Manifest, "g001").entries]
    assert found["changes"]["labels added"] == sorted(added)
    assert found["changes"]["labels removed"] == []
    assert "labels added" in metal.ok("aldata", "diff", "g000", "g001")
    assert "nothing differs" in metal.ok("aldata", "diff", "g001", "--rev", "HEAD", "HEAD")
    back = json.loads(metal.ok("aldata", "diff", "HEAD:g001", "HEAD:g000", "--json"))
    assert back["changes"]["labels removed"] == sorted(added)
    done = metal.run("aldata", "diff", "g000")
    assert done.returncode == 1
    assert "two generations" in done.stderr


def test_diff_names_changed_results_roles_and_retractions(tmp_path: Path) -> None:
    from aldata.archive.differences import difference
    from aldata.archive.lineage import lineage_of
    from aldata.archive.versions import tree_of

    one = random_frames(Labels, 4, 0, status=np.zeros(4))
    results = one.result_digest.copy()
    results[1, 0] ^= 1
    changed = Labels.from_arrays({**one.arrays, "result_digest": results}, one.attributes)
    project_of(tmp_path / "a", {"seed": [one]})
    project_of(tmp_path / "b", {"seed": [changed.take([2, 1, 0])]}, [one.call_ids[2]])
    first, second = (lineage_of(tree_of(tmp_path / name, None), "seed") for name in "ab")
    found = difference(first, second)
    assert found.changes["results changed"] == [one.call_ids[1]]
    assert found.changes["labels removed"] == [one.call_ids[3]]
    assert found.changes["retracted"] == [one.call_ids[2]]
    assert found.roles[one.call_ids[0]] == ("train", "probe")
    assert difference(first, first).is_empty
