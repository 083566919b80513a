"""Stored frames as graphs: what mace-torch itself makes of them, and aldata's own."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk, fcc111, molecule
from made_lineages import project_of, random_frames

import aldata
from aldata.archive import StoredFrames
from aldata.artifacts.conversion import from_atoms
from aldata.artifacts.frames import Labels, geometry_columns
from aldata.errors import InvalidInput
from aldata.potentials import Architecture
from aldata.potentials.datasets import MaceGraphs, OwnGraphs
from aldata.potentials.graphs import graph_of

CUTOFF = 4.2


def _atoms() -> list[Atoms]:
    """Periodic in 3, 0 and 2 directions, one atom alone, more atoms than `ALL_PAIRS`."""
    cluster = bulk("Cu", cubic=True).repeat((2, 3, 3))
    cluster.pbc = False
    ion = molecule("H2O")
    ion.info = {"charge": 1, "spin": 1}
    frames = [bulk("Cu", cubic=True), ion, fcc111("Cu", (2, 2, 3), vacuum=6.0), Atoms("H"), cluster]
    for number, atoms in enumerate(frames):
        atoms.rattle(0.05, seed=number)
    return frames


def _labels(seed: int) -> Labels:
    geometry = geometry_columns([from_atoms(atoms) for atoms in _atoms()])
    labels = random_frames(Labels, len(geometry["row_size"]), seed, **geometry)
    labels.status[:] = 0
    labels.stress[1::2] = np.nan
    return labels


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> StoredFrames:
    root = tmp_path_factory.mktemp("graphs") / "project"
    failed = random_frames(Labels, 1, 3)
    failed.status[:] = 2
    project_of(root, {"seed": [_labels(0)], "g000": [_labels(1)], "g001": [failed]})
    return aldata.open("labels", "g001", root=root)


@pytest.fixture
def accepted(frames: StoredFrames) -> StoredFrames:
    return frames.query("status == 'accepted'")


def _from_config(frames: StoredFrames, row: int, numbers: list[int]) -> Any:
    from aldata.potentials.export import contained

    one = frames[row]
    stress = one["stress"] if np.isfinite(one["stress"]).all() else None
    with contained():
        from mace.data import AtomicData
        from mace.data.utils import Configuration
        from mace.tools import AtomicNumberTable

        torch.set_default_dtype(torch.float64)
        configuration = Configuration(
            atomic_numbers=one["numbers"],
            positions=one["positions"],
            properties={
                "energy": float(one["energy"]),
                "forces": one["forces"],
                "stress": stress,
                "total_charge": float(one["charge"]),
                "total_spin": float(one["spin"] + 1),
            },
            property_weights={"stress": float(stress is not None)},
            cell=np.array(one["cell"]),
            pbc=tuple(bool(p) for p in one["pbc"]),
        )
        return AtomicData.from_config(configuration, AtomicNumberTable(numbers), CUTOFF)


def _edges(data: Any) -> Any:
    rows = torch.cat([data.edge_index.T.double(), data.unit_shifts, data.shifts], dim=1).numpy()
    return rows[np.lexsort(rows.T[4::-1])]


def _same(ours: Any, theirs: Any) -> None:
    assert set(ours.keys) == set(theirs.keys)
    assert ours.num_nodes == theirs.num_nodes
    for name in set(ours.keys) - {"edge_index", "shifts", "unit_shifts"}:
        assert ours[name].dtype == theirs[name].dtype, name
        torch.testing.assert_close(ours[name], theirs[name], rtol=1e-13, atol=1e-13, msg=name)
    np.testing.assert_allclose(_edges(ours), _edges(theirs), rtol=0, atol=1e-12)


@pytest.mark.parametrize("cache", [2**30, 0])
def test_items_are_what_mace_makes_of_the_frames(accepted: StoredFrames, cache: int) -> None:
    graphs = accepted.to_torch(cutoff=CUTOFF, cache=cache, dtype=torch.float64)
    assert isinstance(graphs, MaceGraphs)
    assert isinstance(graphs, torch.utils.data.Dataset)
    assert len(graphs) == 10
    assert graphs.numbers == [1, 8, 29]
    for _ in range(2):  # the second time from the cache
        for row in range(len(graphs)):
            _same(graphs[row], _from_config(accepted, row, graphs.numbers))
    assert graphs[0].edge_index.shape[1] == 4 * 18  # two shells of fcc
    assert graphs[1].total_spin == 2


def test_maces_loader_batches_them(accepted: StoredFrames) -> None:
    graphs = accepted[::-1].to_torch(cutoff=CUTOFF, dtype=torch.float64)
    theirs = [_from_config(accepted[::-1], row, graphs.numbers) for row in range(len(graphs))]
    from mace.tools.torch_geometric.dataloader import DataLoader

    pairs = zip(DataLoader(graphs, batch_size=4), DataLoader(theirs, batch_size=4), strict=True)
    for ours, expected in pairs:
        _same(ours, expected)
        assert torch.equal(ours.batch, expected.batch)
        assert torch.equal(ours.ptr, expected.ptr)


def test_neighbours_are_found_once_as_far_as_the_cache_reaches(
    accepted: StoredFrames, monkeypatch: pytest.MonkeyPatch
) -> None:
    from aldata.potentials import datasets

    found: list[int] = []
    search = datasets.neighbours_of

    def counted(configuration: Any, cutoff: float) -> Any:
        found.append(len(configuration))
        return search(configuration, cutoff)

    monkeypatch.setattr(datasets, "neighbours_of", counted)
    graphs = accepted.to_torch(cutoff=CUTOFF)
    edges = [graphs[row].edge_index.shape[1] for row in range(len(graphs))]
    assert len(found) == len(graphs)
    list(graphs.__getitems__(range(len(graphs))))
    assert len(found) == len(graphs)
    found.clear()
    bounded = accepted.to_torch(cutoff=CUTOFF, cache=14 * sum(edges[:3]))
    for _ in range(3):
        for row in range(3):
            bounded[row]
        bounded[4]
    assert len(found) == 3 + 3  # three are kept, the large one is not


def test_own_graphs(accepted: StoredFrames) -> None:
    architecture = Architecture(channels=4, max_ell=1)
    graphs = accepted.to_torch(architecture=architecture, numbers=[1, 8, 29, 79])
    assert isinstance(graphs, OwnGraphs)
    for _ in range(2):
        for row, atoms in enumerate(_atoms()):
            graph, results = graphs[row]
            expected = graph_of(from_atoms(atoms), [1, 8, 29, 79], architecture)
            for name, value in vars(expected).items():
                np.testing.assert_array_equal(getattr(graph, name), value)
            for name in ("energy", "forces", "stress"):
                np.testing.assert_array_equal(results[name], accepted[row][name])


def test_workers_that_are_no_forks_open_the_stores_themselves(accepted: StoredFrames) -> None:
    graphs = accepted[::-1].to_torch(architecture=Architecture(channels=4, max_ell=1))
    expected = [graphs[row] for row in range(len(graphs))]
    sent = pickle.dumps(graphs)
    assert len(sent) < 40_000, "caches or maps of files travel along"
    loader = torch.utils.data.DataLoader(
        graphs, 4, collate_fn=list, num_workers=2, multiprocessing_context="spawn"
    )
    found = [item for batch in loader for item in batch]
    assert len(found) == len(expected) == 10
    for ours, theirs in zip(found, expected, strict=True):
        for name, value in vars(theirs.graph).items():
            np.testing.assert_array_equal(getattr(ours.graph, name), value)
        np.testing.assert_array_equal(ours.results["forces"], theirs.results["forces"])


def test_a_pickled_data_set_is_the_same_with_an_empty_cache(accepted: StoredFrames) -> None:
    graphs = accepted.to_torch(cutoff=CUTOFF, dtype=torch.float64)
    expected = [graphs[row] for row in range(len(graphs))]
    again = pickle.loads(pickle.dumps(graphs))
    assert not again._kept
    assert again._room == graphs._cache
    for row, item in enumerate(expected):
        _same(again[row], item)


@pytest.mark.slow
def test_maces_loader_with_workers_that_are_no_forks(accepted: StoredFrames) -> None:
    from mace.tools.torch_geometric.dataloader import DataLoader

    graphs = accepted.to_torch(cutoff=CUTOFF, dtype=torch.float64)
    loader = DataLoader(graphs, 4, num_workers=2, multiprocessing_context="spawn")
    assert len(loader) == 3
    for ours, expected in zip(loader, DataLoader(graphs, batch_size=4), strict=True):
        _same(ours, expected)


def test_what_cannot_be_trained_on_is_refused(frames: StoredFrames) -> None:
    with pytest.raises(InvalidInput, match="1 of 11 calls were not accepted"):
        frames.to_torch(cutoff=CUTOFF)
    with pytest.raises(InvalidInput, match="not trained on Cu"):
        frames[:10].to_torch(cutoff=CUTOFF, numbers=[1, 8])
    with pytest.raises(InvalidInput, match="either a cutoff"):
        frames[:10].to_torch()
    with pytest.raises(InvalidInput, match="a cutoff of -1"):
        frames[:10].to_torch(cutoff=-1)
