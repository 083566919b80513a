"""The HDF5 files of MACE: what `mace_prepare_data` writes and `mace.data.HDF5Dataset` reads.

One batch per file: HDF5Dataset takes all batches to be as large as the first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from aldata.errors import InvalidInput
from aldata.exchange.frames import FACTS, RESULTS, Content, Frame, Statement, statement_of

STATEMENT = "aldata"
"""Attribute of the file that holds our statement; the facts are attributes of each configuration."""


def write(path: Path, statement: Statement, frames: Iterable[Frame]) -> int:
    """Write all frames; what a frame does not have gets weight 0. Returns how many."""
    import h5py

    written = 0
    with h5py.File(path, "w") as file:
        file.attrs[STATEMENT] = statement.text()
        batch = file.create_group("config_batch_0")
        for frame in frames:
            _configuration(batch.create_group(f"config_{written}"), frame)
            written += 1
    return written


def _configuration(group: Any, frame: Frame) -> None:
    usable = frame.values.get("status", "accepted") == "accepted"
    group["atomic_numbers"] = np.asarray(frame.numbers, dtype=np.int64)
    group["positions"] = np.asarray(frame.positions, dtype=np.float64)
    group["cell"] = np.asarray(frame.cell, dtype=np.float64)
    group["pbc"] = np.asarray(frame.pbc, dtype=bool)
    group["weight"] = 1.0 if usable else 0.0
    group["config_type"] = "Default"
    properties, weights = group.create_group("properties"), group.create_group("property_weights")
    for name in RESULTS:
        value = frame.values.get(name)
        properties[name] = "None" if value is None else value
        weights[name] = float(usable and value is not None)
    for name, value in (
        ("total_charge", frame.values.get("charge", 0)),
        ("total_spin", frame.values.get("spin", 0) + 1),
    ):
        properties[name], weights[name] = float(value), 1.0
    for name in FACTS:
        if name in frame.values:
            group.attrs[name] = frame.values[name]


def read(path: Path) -> Content:
    """Every configuration of a file, or of all the .h5 files of a folder of `mace_prepare_data`."""
    files = sorted(path.glob("*.h5")) if path.is_dir() else [path]
    if not files:
        raise InvalidInput("holds no .h5 file", where=str(path))
    statements = [_statement(name) for name in files]
    stated = [(s.conventions, s.theory_id) for s in statements]
    if any(one != stated[0] for one in stated):
        raise InvalidInput("its files state different units or theories", where=str(path))
    return Content(statements[0], _frames(files))


def _statement(path: Path) -> Statement:
    import h5py

    with h5py.File(path, "r") as file:
        return statement_of(file.attrs.get(STATEMENT), str(path))


def _frames(files: list[Path]) -> Iterator[Frame]:
    import h5py

    for path in files:
        with h5py.File(path, "r") as file:
            for group in _groups(file):
                yield _frame(group, str(path))


def _groups(file: Any) -> Iterator[Any]:
    for batch in sorted((k for k in file if k.startswith("config_batch_")), key=_number):
        for name in sorted(file[batch], key=_number):
            yield file[batch][name]


def _number(name: str) -> int:
    return int(name.rpartition("_")[2])


def _frame(group: Any, where: str) -> Frame:
    missing = {"atomic_numbers", "positions", "properties"} - set(group)
    if missing:
        raise InvalidInput(f"{group.name} has no {', '.join(sorted(missing))}", where=where)
    stored = {name: _value(data) for name, data in group["properties"].items()}
    values = {name: value for name, value in stored.items() if value is not None}
    charge, spin = values.pop("total_charge", None), values.pop("total_spin", None)
    if charge is not None:
        values["charge"] = charge
    if spin is not None:  # MACE's total_spin is the multiplicity, 1 by default
        values["spin"] = spin - 1
    values.update({k: v.item() if hasattr(v, "item") else v for k, v in group.attrs.items()})
    cell, pbc = (_value(group[k]) if k in group else None for k in ("cell", "pbc"))
    return Frame(
        group["atomic_numbers"][()],
        group["positions"][()],
        np.zeros((3, 3)) if cell is None else cell,
        np.zeros(3, dtype=bool) if pbc is None else pbc,
        values,
    )


def _value(data: Any) -> Any:
    """A stored value; MACE writes None as the text "None"."""
    value = data[()]
    value = value.decode() if isinstance(value, bytes) else value
    return None if isinstance(value, str) and value == "None" else value
