"""Labels against published ones: acetylacetone by PySCF and by ORCA, both PBE-D3(BJ)/def2-SVP.

    python benchmarks/literature.py [--data FOLDER] [--frames 3] [--json FILE]

The data set is that of Batatia et al., arXiv:2205.06643, molecular dynamics at 300 K labelled with ORCA
(extended XYZ, eV and A). So many of its frames, spread evenly over the file, are computed by the oracle
`pyscf`, about 35 s each on an idle core. Total energies of two codes differ by a constant (density fitting,
grids), so the table has energies relative to the first frame; forces have no such freedom. The columns
without D3 leave the dispersion correction out, to show that it belongs there.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ase.io import read

from aldata.artifacts.conversion import from_atoms
from aldata.artifacts.frames import Configuration
from aldata.label import Oracle, from_theory, resolve
from aldata.label.oracles.dispersion import d3bj
from aldata.units import EV_PER_ANGSTROM_PER_HARTREE_PER_BOHR, EV_PER_HARTREE

DATA = Path(__file__).parents[2] / "shared" / "data" / "acetylacetone"
FILE = "train_300K.xyz"
SETTINGS: dict[str, Any] = {
    "xc": "pbe",
    "basis": "def2-svp",
    "dispersion": "d3bj",
    "grid_level": 3,
    "conv_tol": 1e-8,
}


@dataclass(frozen=True)
class Published:
    """A frame of the data set: its geometry, energy (eV) and forces (n, 3) (eV/A)."""

    number: int
    configuration: Configuration
    energy: float
    forces: Any


@dataclass(frozen=True)
class Row:
    """One frame, compared: energies in eV, differences of forces in eV/A, with and without D3."""

    frame: int
    published: float
    computed: float
    computed_without_d3: float
    rms: float
    largest: float
    rms_without_d3: float
    seconds: float


def published(folder: Path, count: int) -> list[Published]:
    """`count` frames, spread evenly from the first to the last."""
    frames = read(folder / FILE, ":")
    chosen = np.unique(np.linspace(0, len(frames) - 1, count).round().astype(int))
    return [
        Published(
            int(number),
            from_atoms(frames[number]),
            frames[number].get_potential_energy(),
            frames[number].get_forces(),
        )
        for number in chosen
    ]


def compared(oracle: Oracle, frame: Published) -> Row:
    """One frame by the oracle, and without its dispersion correction."""
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        answer = oracle.label(frame.configuration, Path(folder))
    seconds = time.perf_counter() - start
    correction, gradient = d3bj(frame.configuration, SETTINGS["xc"])
    without = answer.forces + gradient * EV_PER_ANGSTROM_PER_HARTREE_PER_BOHR
    difference = answer.forces - frame.forces
    return Row(
        frame=frame.number,
        published=frame.energy,
        computed=answer.energy,
        computed_without_d3=answer.energy - correction * EV_PER_HARTREE,
        rms=_rms(difference),
        largest=float(np.abs(difference).max()),
        rms_without_d3=_rms(without - frame.forces),
        seconds=seconds,
    )


def _rms(difference: Any) -> float:
    return float(np.sqrt(np.mean(np.square(difference))))


def table(rows: list[Row]) -> str:
    """Markdown: energies relative to the first frame (eV), differences of forces (meV/A)."""
    first = rows[0]
    lines = [
        "| frame | ORCA | PySCF | without D3 | RMS force difference | largest | RMS without D3 | s |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        energies = (
            row.published - first.published,
            row.computed - first.computed,
            row.computed_without_d3 - first.computed_without_d3,
        )
        forces = (row.rms, row.largest, row.rms_without_d3)
        cells = [f"{e:.4f}" for e in energies] + [f"{1000 * f:.2f}" for f in forces]
        lines.append(f"| {row.frame} | {' | '.join(cells)} | {row.seconds:.0f} |")
    lines.append(
        f"\nFirst frame: ORCA {first.published:.4f}, PySCF {first.computed:.4f}, "
        f"without D3 {first.computed_without_d3:.4f} eV."
    )
    return "\n".join(lines)


def main() -> None:
    """Compute and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--data", type=Path, default=DATA, help=f"folder with {FILE}")
    parser.add_argument("--frames", type=int, default=3)
    parser.add_argument("--json", type=Path, help="also write every number here")
    options = parser.parse_args()
    if not (options.data / FILE).exists():
        parser.error(f"there is no {options.data / FILE}: name the folder by --data")
    oracle = from_theory(resolve("pyscf", SETTINGS))
    rows = [compared(oracle, frame) for frame in published(options.data, options.frames)]
    print(table(rows))
    if options.json:
        options.json.write_text(json.dumps([asdict(row) for row in rows], indent=1))


if __name__ == "__main__":
    main()
