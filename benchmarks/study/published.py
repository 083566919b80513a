"""Published DFT data as pools: acetylacetone (BOTNet data sets) and silicon (mlearn).

The files are looked for in a folder `acetylacetone` and a folder `silicon` of what `--data` names, as
extended XYZ with energies in eV and forces in eV/A:

* acetylacetone: `train_300K.xyz`, `train_600K.xyz`, `test_MD_300K.xyz`, `test_MD_600K.xyz`,
  `test_H_transfer.xyz`, `test_dihedral.xyz` (energies alone), `isolated_atoms.xyz`
  (github.com/davkovacs/BOTNet-datasets, dataset_acac);
* silicon: `train.xyz`, `test.xyz`, `config_type` being the group
  (github.com/materialsvirtuallab/mlearn, data/Si, converted from its JSON).

What a seed decides: which frames are in the pool, which the model begins with, which are tests.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from ase.io import read

from aldata.artifacts.conversion import from_atoms
from aldata.artifacts.documents import Noise
from aldata.artifacts.frames import Labels, as_configurations
from aldata.artifacts.labelled_files import read_labelled
from aldata.errors import InvalidInput
from aldata.potentials import Architecture
from aldata.train import TrainSettings
from study.worlds import Path1D, System, World

TEST = 100
"""Frames of each of acetylacetone's two test sets that a world is measured on."""
FIRST = 15
SILICON_FIRST, SILICON_TEST = 10, 16
RARE_IN_POOL = {"Vacancy": 6, "Surface": 3}


def _found(data: Path | None, folder: str, name: str) -> Path:
    path = (data or Path()) / folder / name
    if data is None or not path.is_file():
        raise InvalidInput(
            f"there is no {folder}/{name}",
            where=f"--data {data}",
            expected="the folder that holds the published data",
            next_step="see benchmarks/study/published.py for the files and their sources",
        )
    return path


@lru_cache(maxsize=16)
def _labels(path: Path) -> Labels:
    return read_labelled(path).labels("acquired", theory_id=path.parent.name)


def _drawn(total: int, count: int, seed: int, stream: int) -> npt.NDArray[np.int64]:
    """The first `count` of a permutation that only the seed and the stream decide."""
    return np.random.default_rng([seed, stream]).permutation(total)[:count]


def _joined(parts: Sequence[Labels]) -> Labels:
    return Labels.concatenate(list(parts), parts[0].attributes)


def _acetylacetone(seed: int, data: Path | None, cold: int, hot: int) -> World:
    """`cold` and `hot` frames of the 500 at 300 K and at 600 K; nothing is in two places.

    A biased pool begins with frames at 300 K that are not in it, a balanced one with some of its own.
    """
    files = {t: _labels(_found(data, "acetylacetone", f"train_{t}.xyz")) for t in ("300K", "600K")}
    order = {
        t: _drawn(len(labels), len(labels), seed, k) for k, (t, labels) in enumerate(files.items())
    }
    parts = [files["300K"].take(order["300K"][:cold]), files["600K"].take(order["600K"][:hot])]
    kinds = ["300 K"] * cold + ["600 K"] * hot
    pool = _joined(parts)
    if cold < len(files["300K"]):
        first = files["300K"].take(order["300K"][cold : cold + FIRST])
    else:
        rows = _drawn(len(pool), FIRST, seed, 2)
        first, rest = pool.take(rows), np.setdiff1d(np.arange(len(pool)), rows)
        pool, kinds = pool.take(rest), [kinds[row] for row in rest]
    tests = {}
    for k, t in enumerate(("300K", "600K")):
        labels = _labels(_found(data, "acetylacetone", f"test_MD_{t}.xyz"))
        tests[t] = labels.take(_drawn(len(labels), TEST, seed, 3 + k))
    paths = {
        name: _path(_found(data, "acetylacetone", f"test_{file}.xyz"))
        for name, file in (("transfer", "H_transfer"), ("dihedral", "dihedral"))
    }
    return World(seed, pool, kinds, first, tests, _isolated(data), paths)


def _path(path: Path) -> Path1D:
    frames = read(path, ":")
    return Path1D(
        as_configurations([from_atoms(atoms) for atoms in frames]),
        np.array([atoms.get_potential_energy() for atoms in frames]),
    )


def _isolated(data: Path | None) -> list[float]:
    frames = read(_found(data, "acetylacetone", "isolated_atoms.xyz"), ":")
    energies = {int(a.numbers[0]): float(a.get_potential_energy()) for a in frames}
    return [energies[z] for z in sorted(energies)]


def balanced(seed: int, data: Path | None = None) -> World:
    """All 1,000 training frames, half at 300 K and half at 600 K, 15 of them the first labels."""
    return _acetylacetone(seed, data, 500, 500)


def redundant(seed: int, data: Path | None = None) -> World:
    """450 frames at 300 K and 50 at 600 K, from 15 others at 300 K."""
    return _acetylacetone(seed, data, 450, 50)


def silicon(seed: int, data: Path | None = None) -> World:
    """AIMD and elastic frames with a few vacancies and surfaces; the other rare ones are tests."""
    path = _found(data, "silicon", "train.xyz")
    labels, test = _labels(path), _labels(_found(data, "silicon", "test.xyz"))
    group, groups = _groups(path, labels), _groups(path.with_name("test.xyz"), test)
    rows: list[int] = []
    tests = {}
    for k, name in enumerate(("AIMD-NVT", "Elastic", *RARE_IN_POOL)):
        of_name = np.flatnonzero(group == name)
        of_name = of_name[_drawn(len(of_name), len(of_name), seed, k)]
        taken = RARE_IN_POOL.get(name, len(of_name))
        rows += of_name[:taken].tolist()
        held = labels.take(of_name[taken : taken + SILICON_TEST])
        tests[name.split("-")[0]] = _joined([held, test.take(np.flatnonzero(groups == name))])
    tests["rare"] = _joined([tests[name] for name in RARE_IN_POOL])
    common = [row for row in rows if group[row] not in RARE_IN_POOL]
    first = [common[k] for k in _drawn(len(common), SILICON_FIRST, seed, 9)]
    rest = [row for row in rows if row not in first]
    begun = labels.take(np.array(first))
    isolated = float((begun.energy / begun.row_size).mean())  # no isolated atom is in the data
    kinds = [str(group[row]) for row in rest]
    return World(seed, labels.take(np.array(rest)), kinds, begun, tests, [isolated])


def _groups(path: Path, labels: Labels) -> npt.NDArray[np.str_]:
    """`config_type` of every labelled frame."""
    found = {from_atoms(atoms).id: str(atoms.info["config_type"]) for atoms in read(path, ":")}
    return np.array([found[identity] for identity in labels.ids])


NOT_MEASURED = Noise(theory_id="published", sigma_energy=0.0, sigma_forces=0.0, source="unknown")
"""The target accuracy is the floor of the labels' noise."""


def _training(steps: int, batch_size: int) -> TrainSettings:
    return TrainSettings(
        members=1,
        steps=steps,
        batch_size=batch_size,
        validate_every=100,
        architecture=Architecture(channels=12, radial_mlp=[32, 32]),
    )


ACETYLACETONE_MEASURES = {
    "forces_600K": "forces, 600 K (meV/A)",
    "forces_300K": "forces, 300 K (meV/A)",
    "max_600K": "largest force error, 600 K (meV/A)",
    "path_transfer": "H transfer (meV)",
    "path_dihedral": "dihedral (meV)",
}

BALANCED = System(
    title="acetylacetone, balanced pool (1,000 frames, half at 300 K and half at 600 K)",
    species=[1, 6, 8],
    training=_training(1200, 4),
    noise=NOT_MEASURED,
    batch=15,
    probe=2,
    rounds=5,
    rare=("600 K",),
    measures=ACETYLACETONE_MEASURES,
    make=balanced,
    screen=80,
)
REDUNDANT = replace(
    BALANCED,
    title="acetylacetone, redundant pool (450 frames at 300 K, 50 at 600 K)",
    rounds=7,
    make=redundant,
)
SILICON = System(
    title="silicon (AIMD and elastic frames with 6 vacancies and 3 surfaces)",
    species=[14],
    training=_training(900, 2),
    noise=NOT_MEASURED,
    batch=8,
    probe=1,
    rounds=3,
    rare=("Vacancy", "Surface"),
    measures={
        "forces_rare": "forces, vacancies and surfaces (meV/A)",
        "forces_Vacancy": "forces, vacancies (meV/A)",
        "forces_Surface": "forces, surfaces (meV/A)",
        "forces_AIMD": "forces, AIMD (meV/A)",
        "forces_Elastic": "forces, elastic (meV/A)",
        "max_rare": "largest force error, vacancies and surfaces (meV/A)",
    },
    make=silicon,
    screen=60,
)
