"""Feed mace-torch's DataLoader: from aldata's stores, and from MACE's own HDF5 file, side by side.

    python benchmarks/loader.py [--frames 2000] [--json FILE]

The same labelled frames of 20 to 100 atoms (random positions, a cell of about 12 A), in one process and
one thread, batches of 10, cutoff 4.5 A, shuffled. `aldata`: `aldata.open(...).to_torch(cutoff=4.5)` on a
project. `MACE`: `mace.data.HDF5Dataset` on a file that mace's own `save_configurations_as_HDF5` wrote.
Their epochs take turns. The first epoch of aldata finds the neighbour lists, later ones have them as far as
the cache reaches. If the first batches differ in results, positions or the number of edges, the benchmark
ends. Target: at least as fast, in the first epoch too.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from store_data import add_generation, made_labels

import aldata
from aldata.artifacts.frames import Labels
from aldata.potentials.export import contained

CUTOFF = 4.5
BATCH = 10
LATER = 3


def written_by_mace(path: Path, labels: Labels) -> None:
    """The file that MACE trains from."""
    import h5py

    with contained():
        from mace.data.utils import Configuration, save_configurations_as_HDF5
    frames = [
        Configuration(
            atomic_numbers=labels.numbers[labels.atoms_of(row)],
            positions=labels.positions[labels.atoms_of(row)],
            properties={
                "energy": labels.energy[row],
                "forces": labels.forces[labels.atoms_of(row)],
                "stress": labels.stress[row],
            },
            property_weights={"energy": 1.0, "forces": 1.0, "stress": 1.0},
            cell=labels.cell[row],
            pbc=labels.pbc[row],
        )
        for row in range(len(labels))
    ]
    with h5py.File(path, "w") as file:
        save_configurations_as_HDF5(frames, 0, file)


def loader(dataset: Any, seed: int) -> Any:
    with contained():
        from mace.tools.torch_geometric.dataloader import DataLoader
    order = torch.Generator().manual_seed(seed)
    return DataLoader(dataset, batch_size=BATCH, shuffle=True, generator=order)


def epoch(dataset: Any, seed: int) -> float:
    """Frames per second of one epoch."""
    began = time.perf_counter()
    frames = sum(int(batch.num_graphs) for batch in loader(dataset, seed))
    if frames != len(dataset):
        raise SystemExit(f"an epoch of {frames} frames, not {len(dataset)}")
    return frames / (time.perf_counter() - began)


def same(ours: Any, theirs: Any) -> None:
    first, second = next(iter(loader(ours, 0))), next(iter(loader(theirs, 0)))
    for name in ("energy", "forces", "stress", "positions", "node_attrs"):
        torch.testing.assert_close(first[name], second[name], msg=name)
    if first.edge_index.shape != second.edge_index.shape:
        raise SystemExit(f"{first.edge_index.shape} edges, not {second.edge_index.shape}")


def measured(frames: int, folder: Path) -> dict[str, dict[str, float]]:
    """Frames per second by way and epoch."""
    labels = made_labels(frames, 0)
    add_generation(folder / "project", "seed", labels, None)
    written_by_mace(folder / "frames.h5", labels)
    with contained():
        from mace.data import HDF5Dataset
        from mace.tools import AtomicNumberTable
    stored = aldata.open("labels", "seed", root=folder / "project")

    def ours() -> Any:
        return stored.to_torch(cutoff=CUTOFF)

    table = AtomicNumberTable([int(number) for number in np.unique(labels.numbers)])
    theirs = HDF5Dataset(str(folder / "frames.h5"), r_max=CUTOFF, z_table=table)
    same(ours(), theirs)
    ways = {"aldata": ours(), "MACE": theirs}
    rates = {name: [epoch(way, 0)] for name, way in ways.items()}
    for seed in range(1, 1 + LATER):
        for name, way in ways.items():
            rates[name].append(epoch(way, seed))
    return {
        name: {"first": found[0], "later": statistics.median(found[1:])}
        for name, found in rates.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--frames", type=int, default=2000)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    with tempfile.TemporaryDirectory() as folder:
        rates = measured(given.frames, Path(folder))
    print("| epoch | aldata | MACE's HDF5 | ratio |\n|---|---|---|---|")
    ratios = {}
    for name in ("first", "later"):
        ours, theirs = rates["aldata"][name], rates["MACE"][name]
        ratios[name] = ours / theirs
        print(f"| {name} | {ours:.0f} frames/s | {theirs:.0f} frames/s | {ratios[name]:.2f} |")
    for name, ratio in ratios.items():
        print(f"{'pass' if ratio >= 1 else 'FAIL'}  {name} epoch, over MACE's: {ratio:.2f} (>= 1)")
    if given.json:
        given.json.write_text(json.dumps({"frames": given.frames, "rates": rates}, indent=2) + "\n")


if __name__ == "__main__":
    main()
