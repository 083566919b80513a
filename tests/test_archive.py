"""`aldata.open`: the union of stores along a lineage is what plain concatenation gives."""

from __future__ import annotations

import json
import pickle
import resource
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_lineages import ROLES, project_of, random_frames, with_ids

import aldata
from aldata import store
from aldata.archive import KINDS, StoredFrames, links
from aldata.archive.links import manifest_of
from aldata.artifacts.checkpoints import null_checkpoint
from aldata.artifacts.columns import Frames
from aldata.artifacts.documents import Manifest
from aldata.artifacts.frames import (
    Candidates,
    Descriptors,
    Labels,
    Predictions,
    Selection,
)
from aldata.artifacts.layout import path_of
from aldata.errors import (
    AldataError,
    DamagedArtifact,
    InvalidInput,
    InvalidParameters,
    ProjectError,
)

NAMES = ("seed", "g000", "g001", "g002")
STORED: dict[str, type[Frames]] = {
    "labels": Labels,
    "candidates": Candidates,
    "descriptors": Descriptors,
    "predictions": Predictions,
    "selections": Selection,
}


def filled(root: Path, counts: list[int], kinds: Sequence[str] = ()) -> dict[str, list[Any]]:
    """A lineage of stores with so many frames each; the artifacts by kind, the oldest first.

    With `kinds` only these are made, and labels, which a lineage needs.
    """
    made: dict[str, list[Any]] = {kind: [] for kind in STORED}
    generations = {}
    for number, count in enumerate(counts):
        artifacts = {
            kind: random_frames(artifact, count, 10 * number + place)
            for place, (kind, artifact) in enumerate(STORED.items())
            if (number > 0 or artifact in (Labels, Candidates))
            and (not kinds or kind in {"labels", *kinds})
        }
        generations[NAMES[number]] = list(artifacts.values())
        for kind, artifact in artifacts.items():
            made[kind].append(artifact)
    project_of(root, generations)
    for name in generations if not kinds else []:
        store.write(root / path_of(name, "checkpoint"), null_checkpoint(np.array([1]), np.zeros(1)))
    return made


@pytest.fixture(autouse=True, scope="module")
def hasty() -> Iterator[None]:
    """These stores need not survive a power cut."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.fsync", lambda _: None)
        yield


@pytest.fixture(scope="module")
def lineage(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, list[Any]]]:
    root = tmp_path_factory.mktemp("lineage") / "project"
    return root, filled(root, [5, 9, 3, 7])


@pytest.mark.parametrize("kind", list(STORED))
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_union_is_the_concatenation(kind: str, seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng([seed, len(kind)])
    counts = [int(count) for count in rng.integers(0, 7, rng.integers(2, 5))]
    root = tmp_path / "project"
    made = filled(root, counts, [kind])[kind]
    whole = STORED[kind].concatenate(made, made[-1].attributes)
    frames = aldata.open(kind, NAMES[len(counts) - 1], root=root, check=True)
    assert isinstance(frames, StoredFrames)
    assert len(frames) == len(whole)
    assert frames.ids == whole.ids
    rows = rng.integers(0, len(whole), 30).tolist() if len(whole) else []
    _same(frames.take(rows), whole.take(rows))
    _same(frames.take(), whole)
    low, high = sorted(rows[:2]) if rows else (0, 0)
    _same(frames[low:high].take(), whole.take(range(low, high)))
    _same(frames[rows][::-1].take(), whole.take(rows[::-1]))
    assert frames.artifact().digest == whole.digest


def _same(found: dict[str, Any], artifact: Frames) -> None:
    assert list(found) == list(artifact.arrays)
    for name, array in artifact.arrays.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


@pytest.mark.parametrize("seed", [None, 3])
@pytest.mark.parametrize("size", [1, 4, 100])
def test_batches_hold_every_frame_once(
    lineage: tuple[Path, Any], seed: int | None, size: int
) -> None:
    frames = aldata.open("labels", "g002", root=lineage[0])
    batches = list(frames.batches(size, seed, columns=["row_size", "energy", "forces"]))
    assert [len(b["energy"]) for b in batches][:-1] == [size] * (len(batches) - 1)
    for batch in batches:
        assert len(batch["forces"]) == batch["row_size"].sum()
    energies = np.concatenate([b["energy"] for b in batches])
    np.testing.assert_array_equal(np.sort(energies), np.sort(frames.column("energy")))
    in_order = np.array_equal(energies, frames.column("energy"))
    assert in_order == (seed is None)
    again = list(frames.batches(size, seed, columns=["energy"]))
    np.testing.assert_array_equal(np.concatenate([b["energy"] for b in again]), energies)


def test_one_frame_by_index_and_by_id(lineage: tuple[Path, Any]) -> None:
    root, made = lineage
    frames = aldata.open("labels", "g002", root=root)
    whole = Labels.concatenate(made["labels"], {})
    for row in (0, 5, len(whole) - 1, -1):
        one = frames[row]
        number = row % len(whole)
        np.testing.assert_array_equal(one["forces"], whole.forces[whole.atoms_of(number)])
        assert one["energy"] == whole.energy[number]
        for identity in (whole.ids[number], whole.call_ids[number][:9]):
            assert frames[identity]["energy"] == whole.energy[number]
    with pytest.raises(IndexError):
        frames[len(whole)]
    with pytest.raises(IndexError):
        frames.take([0, len(whole)])
    with pytest.raises(IndexError):
        frames[np.ones(3, bool)]
    with pytest.raises(InvalidInput, match="no frame has the id xyz"):
        frames["xyz"]
    first = {}
    for identity in [*whole.call_ids]:
        first.setdefault(identity[0], []).append(identity)
    ambiguous = next(digit for digit, found in first.items() if len(found) > 1)
    with pytest.raises(InvalidInput, match="more digits"):
        frames[ambiguous]


def test_a_column_of_one_store_is_the_file_and_cannot_be_written(tmp_path: Path) -> None:
    filled(tmp_path / "p", [6])
    frames = aldata.open("labels", "seed", root=tmp_path / "p")
    column = frames.column("positions")
    assert column.base is not None
    assert np.shares_memory(column, frames.take(slice(1, 3))["positions"])
    with pytest.raises(ValueError, match="read-only"):
        column[0] = 1.0


def test_roles_retractions_and_generations_come_along(tmp_path: Path) -> None:
    labels = [random_frames(Labels, n, n, status=np.arange(n) % 5 == 4) for n in (6, 9)]
    gone = [labels[0].call_ids[1], labels[1].call_ids[0]]
    project_of(tmp_path / "p", {"seed": labels[:1], "g000": labels[1:]}, gone)
    frames = aldata.open("labels", "g000", root=tmp_path / "p")
    expected = [
        ROLES[row % 4] if row % 5 != 4 else "none" for part in labels for row in range(len(part))
    ]
    assert frames.column("role").tolist() == expected
    assert frames.column("retracted").tolist() == [c in gone for c in frames.call_ids]
    assert frames.column("generation").tolist() == ["seed"] * 6 + ["g000"] * 9
    rows = [8, 1, 14]
    assert frames.take(rows, ["role"])["role"].tolist() == [expected[row] for row in rows]
    # before the retraction
    assert not aldata.open("labels", "seed", root=tmp_path / "p").column("retracted").any()


def test_a_call_keeps_the_role_it_was_first_accepted_with(tmp_path: Path) -> None:
    first = random_frames(Labels, 3, 0, status=np.array([0, 2, 0]))
    again = first.take([2, 1, 0])
    changed = {**again.arrays, "status": np.zeros(3)}
    accepted = Labels.from_arrays(changed, again.attributes)
    project_of(tmp_path / "p", {"seed": [first], "g000": [accepted]})
    roles = aldata.open("labels", "g000", root=tmp_path / "p").column("role").tolist()
    assert roles == ["train", "valid", "probe", "probe", "valid", "train"]


def test_labels_that_are_not_the_data_sets_are_found(tmp_path: Path) -> None:
    root = tmp_path / "p"
    filled(root, [4, 4])
    other = random_frames(Labels, 4, 99)
    store.write(root / path_of("g000", "labels"), other)
    frames = aldata.open("labels", "g000", root=root)
    with pytest.raises(DamagedArtifact, match="labels differ from the data set"):
        frames.column("role")


def test_configurations_are_candidates_and_labels_each_once(tmp_path: Path) -> None:
    candidates = with_ids(random_frames(Candidates, 8, 0))
    shared = {n: candidates.take([1, 4]).arrays[n] for n in ("row_size", *_geometry())}
    labels = random_frames(Labels, 2, 1, **shared)
    project_of(tmp_path / "p", {"seed": [candidates, labels]})
    frames = aldata.open("configurations", "seed", root=tmp_path / "p")
    assert frames.ids == candidates.ids
    assert sorted(frames.names) == sorted(["row_size", *_geometry()])


def _geometry() -> list[str]:
    return ["numbers", "positions", "cell", "pbc", "charge", "spin", "configuration_id"]


def test_checkpoints_are_a_sequence(lineage: tuple[Path, Any]) -> None:
    found = aldata.open("checkpoints", "g001", root=lineage[0], check=True)
    assert found.generations == ["seed", "g000", "g001"]
    assert len(list(found)) == len(found) == 3
    assert found["g000"].is_null
    assert found[1].digest == found.ids[1]
    with pytest.raises(InvalidInput, match="3 checkpoints are called"):
        found[found.ids[0][:8]]
    with pytest.raises(InvalidInput, match="0 checkpoints are called g009"):
        found["g009"]


def _descriptors(identity: str, count: int, seed: int) -> Descriptors:
    made = random_frames(Descriptors, count, seed)
    return Descriptors.from_arrays(made.arrays, {"descriptor_id": identity * 64})


def test_descriptors_of_other_settings_do_not_mix(tmp_path: Path) -> None:
    root, seed = tmp_path / "p", random_frames(Labels, 2, 0)
    parts = [_descriptors(identity, 3, n) for n, identity in enumerate("aab")]
    labels = [random_frames(Labels, 2, 10 + n) for n in range(3)]
    project_of(
        root,
        {"seed": [seed], **{n: [p, x] for n, p, x in zip(NAMES[1:], parts, labels, strict=True)}},
    )
    assert len(aldata.open("descriptors", "g001", root=root)) == 6
    with pytest.raises(InvalidInput, match=r"do not mix.*g000: aaaa.*\n.*only=\"bbb"):
        aldata.open("descriptors", "g002", root=root)
    assert aldata.open("descriptors", "g002", root=root, only="b").generations == ["g002"]
    assert aldata.open("descriptors", "g002", root=root, only="a").generations == ["g000", "g001"]
    with pytest.raises(InvalidInput, match="beginning of 0 of the descriptor_ids"):
        aldata.open("descriptors", "g002", root=root, only="c")


def test_predictions_are_those_of_one_model(tmp_path: Path) -> None:
    root = tmp_path / "p"
    parts = []
    for n, model in enumerate("ab"):
        made = random_frames(Predictions, 3, n)
        parts.append(Predictions.from_arrays(made.arrays, {"checkpoint": model * 64, "members": 4}))
    labels = [random_frames(Labels, 2, 10 + n) for n in range(3)]
    project_of(
        root, {"seed": labels[:1], "g000": [parts[0], labels[1]], "g001": [parts[1], labels[2]]}
    )
    found = aldata.open("predictions", "g001", root=root)
    assert found.generations == ["g001"]
    assert found.ids == parts[1].ids
    assert aldata.open("predictions", "g001", root=root, only="aa").ids == parts[0].ids


def test_a_generation_that_is_not_yet_curated(tmp_path: Path) -> None:
    root = tmp_path / "p"
    filled(root, [4, 4, 4])
    (root / path_of("g001", "dataset")).unlink()
    assert len(aldata.open("candidates", "g001", root=root)) == 12
    with pytest.raises(DamagedArtifact, match="no data set yet"):
        aldata.open("labels", "g001", root=root)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("labls", "g000"), InvalidInput, "one of: labels, configurations, candidates"),
        (("labels", "g009"), InvalidParameters, "no generation 'g009'[^$]*seed, g000, g001, g002"),
        (("labels", "g000", None, "/nowhere"), ProjectError, "not an aldata project"),
        (("labels", "g000", "v9"), ProjectError, "no revision or experiment 'v9'"),
        (("selections", "seed"), InvalidInput, "the seed has no selection"),
    ],
)
def test_bad_questions(
    lineage: tuple[Path, Any],
    arguments: tuple[Any, ...],
    error: type[AldataError],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(lineage[0])
    with pytest.raises(error, match=message):
        aldata.open(*arguments)
    with pytest.raises(InvalidInput, match="no column enrgy"):
        aldata.open("labels", "g000").column("enrgy")
    with pytest.raises(InvalidInput, match="at least 1"):
        next(aldata.open("labels", "g000").batches(0))


@pytest.mark.parametrize("damage", ["truncate", "remove", "chain", "absent"])
def test_damage_is_an_error_at_opening(tmp_path: Path, damage: str) -> None:
    root = tmp_path / "p"
    filled(root, [4, 4, 4])
    path = root / path_of("g000", "labels")
    chunk = path / "forces" / "c" / "0" / "0"
    if damage == "truncate":
        chunk.write_bytes(chunk.read_bytes()[:-8])
    elif damage == "remove":
        chunk.unlink()
    elif damage == "absent":
        path.rename(path.with_name("elsewhere"))
    else:
        document = root / path_of("g000", "dataset")
        text = document.read_text()
        document.write_text(text.replace('"acquired"', '"imported"', 1))
    with pytest.raises(DamagedArtifact, match="g00"):
        aldata.open("labels", "g001", root=root)


def test_a_flipped_byte_is_found_when_asked(tmp_path: Path) -> None:
    root = tmp_path / "p"
    filled(root, [4, 4])
    chunk = root / path_of("g000", "labels") / "forces" / "c" / "0" / "0"
    content = bytearray(chunk.read_bytes())
    content[7] ^= 1
    chunk.write_bytes(content)
    frames = aldata.open("labels", "g000", root=root)
    with pytest.raises(DamagedArtifact, match=r"g000/labels\.zarr.*forces"):
        frames.verify()
    with pytest.raises(DamagedArtifact, match="forces"):
        aldata.open("labels", "g000", root=root, check=True)
    assert aldata.open("labels", "seed", root=root, check=True)


def test_arrays_of_several_chunks_and_foreign_compressed_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aldata.store.metadata.CHUNK_LIMIT", 100)
    monkeypatch.setattr("aldata.store.metadata.PAGE", 1)
    monkeypatch.setattr("aldata.archive.columns.UNPACKED", 250)
    root = tmp_path / "p"
    made = filled(root, [4, 11, 7])["labels"]
    whole = Labels.concatenate(made, made[-1].attributes)
    _pack(root / path_of("g000", "labels"), "forces")
    frames = aldata.open("labels", "g001", root=root)
    rows = np.random.default_rng(0).permutation(len(whole))
    _same(frames.take(rows), whole.take(rows))
    _same(frames[3:9].take(), whole.take(range(3, 9)))
    (root / path_of("g000", "labels") / "forces" / "c" / "1" / "0").unlink()
    with pytest.raises(DamagedArtifact, match="of 'forces' is missing"):
        aldata.open("labels", "g001", root=root)


def _pack(path: Path, name: str) -> None:
    """Compress one array of a store, as somebody else's tool might."""
    import zarr

    values = zarr.open_array(str(path / name), mode="r")[...]  # type: ignore[index]
    zarr.create_array(
        str(path / name), data=np.asarray(values), chunks=(5, 3), compressors="auto", overwrite=True
    )
    group = json.loads((path / "zarr.json").read_text())
    group["consolidated_metadata"]["metadata"][name] = json.loads(
        (path / name / "zarr.json").read_text()
    )
    (path / "zarr.json").write_text(json.dumps(group))


def test_pickled_frames_are_opened_again_where_they_arrive(tmp_path: Path) -> None:
    root = tmp_path / "p"
    filled(root, [4, 7, 5])
    frames = aldata.open("labels", "g001", root=root)[[9, 2, 15]]
    expected = frames.take([2, 0])
    sent = pickle.dumps(frames)
    again = pickle.loads(sent)
    assert again.ids == frames.ids
    assert again.column("role").tolist() == frames.column("role").tolist()
    for name, column in again.take([2, 0]).items():
        np.testing.assert_array_equal(column, expected[name])
    store.write(root / path_of("g000", "labels"), random_frames(Labels, 7, 99))
    np.testing.assert_array_equal(frames.take([2, 0])["forces"], expected["forces"])
    with pytest.raises(DamagedArtifact, match=r"g000/labels\.zarr: was replaced after"):
        pickle.loads(sent)


def test_a_chain_that_leads_back_into_itself_ends(tmp_path: Path) -> None:
    root = tmp_path / "p"
    filled(root, [4, 4, 4])
    document = root / path_of("g000", "dataset")
    content = json.loads(document.read_text())
    content["parent"]["generation"] = "g001"
    document.write_text(json.dumps(content))
    with pytest.raises(DamagedArtifact, match="its parent is g001"):
        aldata.open("labels", "g001", root=root)


def test_a_chain_is_read_once_and_again_where_a_byte_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is remembered is of files with the same bytes, never of the name of a generation."""
    root = tmp_path / "p"
    filled(root, [4, 4, 4])
    read: list[str] = []

    def counted(tree: store.Tree, generation: str) -> Manifest:
        read.append(generation)
        return manifest_of(tree, generation)

    monkeypatch.setattr(links, "manifest_of", counted)
    for expected in (["g001", "g000", "seed"], []):
        read.clear()
        assert len(aldata.open("labels", "g001", root=root)) == 12
        assert read == expected
    document = root / path_of("g000", "dataset")
    text = document.read_text()
    document.write_text(text.replace('"species": [', '"species": [ 1,', 1))
    with pytest.raises(DamagedArtifact, match="data set of g001: its parent is g000"):
        aldata.open("labels", "g001", root=root)
    assert read == ["g000"]
    document.write_text(text)
    (root / links.FILE).write_bytes(b"not a database")
    assert len(aldata.open("labels", "g001", root=root)) == 12


def test_a_project_that_cannot_be_written_opens(tmp_path: Path) -> None:
    filled(tmp_path / "p", [4, 4])
    (tmp_path / "p" / ".aldata").touch()  # where the memory would lie
    assert len(aldata.open("labels", "g000", root=tmp_path / "p")) == 8


def test_a_union_keeps_no_file_open(tmp_path: Path) -> None:
    filled(tmp_path / "p", [4, 4, 4, 4])
    frames = aldata.open("labels", "g002", root=tmp_path / "p")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = len(list(Path("/proc/self/fd").iterdir()))
    resource.setrlimit(resource.RLIMIT_NOFILE, (used + 8, hard))
    try:
        assert len(frames.take()["energy"]) == 16
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_opening_imports_nothing_heavy(tmp_path: Path) -> None:
    filled(tmp_path / "p", [4, 4])
    heavy = ("torch", "zarr", "xarray", "ase", "dvc", "dask", "mace")
    script = (
        f"import sys, aldata; assert 'numpy' not in sys.modules\n"
        f"frames = aldata.open('labels', 'g000', root={str(tmp_path / 'p')!r})\n"
        f"frames.take([3, 1]); frames.column('role')\n"
        f"print(sorted(set({heavy}) & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_every_kind_says_which_stores_it_joins() -> None:
    assert set(KINDS) == {*STORED, "configurations", "checkpoints"}
