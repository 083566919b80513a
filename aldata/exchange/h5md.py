"""H5MD (nongnu.org/h5md) with the conventions of znh5md: ragged frames padded with NaN.

Written and read through h5py: frame after frame can be appended whatever it has, which znh5md's own
`extend` cannot when blocks differ (it places a quantity by the shape of a block's first frame).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from aldata.artifacts.columns import Array
from aldata.errors import InvalidInput
from aldata.exchange.conventions import Conventions
from aldata.exchange.frames import FACTS, Content, Frame, Statement, blocks, statement_of

STATEMENT = "aldata"
"""Attribute of the root that holds our statement."""
BLOCK = 256
GROUP = "atoms"

PATHS = {
    "numbers": ("particles/atoms/species", "", "atoms"),
    "positions": ("particles/atoms/position", "Angstrom", "atoms"),
    "cell": ("particles/atoms/box/edges", "Angstrom", "atoms"),
    "pbc": ("particles/atoms/box/pbc", "", "atoms"),
    "forces": ("particles/atoms/force", "eV/Angstrom", "calc"),
    "energy": ("observables/atoms/potential_energy", "eV", "calc"),
    "stress": ("observables/atoms/stress", "eV/Angstrom^3", "calc"),
}
"""Where a quantity lies, its unit, and what it is of an ASE frame (znh5md's ASE_ENTRY_ORIGIN)."""

NAMES = {
    "position": "positions", "force": "forces", "species": "numbers",
    "potential_energy": "energy",
}  # fmt: skip
STATED = {"positions": "length", "energy": "energy", "forces": "force", "stress": "stress"}


def write(path: Path, statement: Statement, frames: Iterable[Frame]) -> int:
    """Write all frames, in blocks; returns how many."""
    import h5py

    written = 0
    with h5py.File(path, "w") as file:
        _head(file, statement)
        for block in blocks(frames, BLOCK):
            for name, (place, unit, origin) in PATHS.items():
                values = [_quantity(frame, name) for frame in block]
                _append(file, place, values, written, unit, origin)
            for name in dict.fromkeys(k for f in block for k in f.values if k in {*FACTS}):
                values = [frame.values.get(name) for frame in block]
                _append(file, f"observables/{GROUP}/{name}", values, written, "", "info")
            written += len(block)
        _complete(file, written)
    return written


def _head(file: Any, statement: Statement) -> None:
    head = file.create_group("h5md")
    head.attrs["version"] = np.array([1, 1])
    head.create_group("author").attrs.update({"name": "N/A", "email": "N/A"})
    head.create_group("creator").attrs.update({"name": "aldata", "version": "0"})
    file.attrs[STATEMENT] = statement.text()
    box = file.create_group(f"particles/{GROUP}/box")
    box.attrs["dimension"] = 3
    box.attrs["boundary"] = ["none"] * 3
    file.create_group(f"observables/{GROUP}")


def _quantity(frame: Frame, name: str) -> Any:
    if name in {"numbers", "positions", "cell", "pbc"}:
        return np.asarray(getattr(frame, name), dtype=np.float64)
    return frame.values.get(name)


def _append(file: Any, place: str, values: list[Any], start: int, unit: str, origin: str) -> None:
    """Add a block of values behind the `start` frames before it; None and ragged ends are NaN."""
    known = [value for value in values if value is not None]
    if not known:
        return
    is_text = isinstance(known[0], str)
    shape = np.shape(known[0])[1:] if np.ndim(known[0]) else ()
    longest = max((len(v) for v in known if np.ndim(v)), default=0)
    if place not in file:
        _create(file, place, is_text, (longest, *shape) if np.ndim(known[0]) else (), unit, origin)
    data = file[place]["value"]
    data.resize(start + len(values), axis=0)
    if is_text:
        data[start:] = ["" if value is None else json.dumps(value) for value in values]
        return
    if np.ndim(known[0]):
        data.resize(max(longest, data.shape[1]), axis=1)
    padded = np.full((len(values), *data.shape[1:]), np.nan)
    for row, value in enumerate(values):
        if value is not None:
            padded[(row, slice(0, len(value))) if np.ndim(value) else row] = value
    data[start:] = padded


def _create(
    file: Any, place: str, is_text: bool, shape: tuple[int, ...], unit: str, origin: str
) -> None:
    import h5py

    group = file.create_group(place)
    if origin != "atoms":
        group.attrs["ASE_ENTRY_ORIGIN"] = origin
    group["step"], group["time"] = 1, 1.0
    data = group.create_dataset(
        "value",
        shape=(0, *shape),
        maxshape=(None,) * (1 + len(shape)),
        dtype=h5py.string_dtype() if is_text else np.float64,
        fillvalue="" if is_text else np.nan,
        chunks=(BLOCK, *(max(1, size) for size in shape)),
    )
    if unit:
        data.attrs["unit"] = unit


def _complete(file: Any, frames: int) -> None:
    """Bring every quantity to the same length: the last blocks may not have had it."""

    def longer(_: str, item: Any) -> None:
        if hasattr(item, "keys") and "value" in item and item["value"].shape[0] < frames:
            item["value"].resize(frames, axis=0)

    file.visititems(longer)


def read(path: Path) -> Content:
    """Every frame of the first particles group; units as far as the file's attributes state them."""
    import h5py

    with h5py.File(path, "r") as file:
        group = _first_group(file, path)
        columns = _columns(file, group)
        statement = statement_of(file.attrs.get(STATEMENT), str(path))
        found = {STATED[name]: unit for name in STATED if (unit := _unit(columns.get(name)))}
    if missing := [name for name in ("numbers", "positions") if name not in columns]:
        raise InvalidInput(f"has no {' and no '.join(missing)}", where=str(path), expected="H5MD")
    if statement.conventions == Conventions():
        stated = Conventions.checked(found, f"{path}: unit", error=InvalidInput)
        statement = statement.model_copy(update={"conventions": stated})
    return Content(statement, _frames(path))


def _frames(path: Path) -> Iterator[Frame]:
    import h5py

    with h5py.File(path, "r") as file:
        group = _first_group(file, path)
        columns, (cells, periodic) = _columns(file, group), _box(file[f"particles/{group}"])
        per_atom = {NAMES.get(name, name) for name in file[f"particles/{group}"]} - {"stress"}
        for begin in range(0, len(columns["positions"]), BLOCK):
            rows = slice(begin, begin + BLOCK)
            block = {name: _part(data, rows) for name, data in columns.items()}
            if columns["numbers"].ndim == 1:  # once for all frames
                block["numbers"] = columns["numbers"][...]
            edges = cells[rows] if cells.ndim == 3 else cells[...]
            pbc = (periodic[rows] if periodic.ndim == 2 else periodic[...]) != 0
            for row in range(len(block["positions"])):
                yield _frame(block, per_atom, row, edges, pbc)


def _first_group(file: Any, path: Path) -> str:
    if not len(file.get("particles", ())):
        raise InvalidInput("has no group 'particles'", where=str(path), expected="H5MD")
    return str(next(iter(file["particles"])))


def _columns(file: Any, group: str) -> dict[str, Any]:
    """The data set of every quantity by name."""
    columns: dict[str, Any] = {}
    for root in (f"particles/{group}", f"observables/{group}"):
        for name, item in file[root].items() if root in file else ():
            data = item.get("value") if hasattr(item, "get") else item
            if name != "box" and data is not None:
                columns[NAMES.get(name, name)] = data
    return columns


def _part(data: Any, rows: slice) -> Array:
    found: Array = data.asstr()[rows] if h5py_text(data) else data[rows]
    return found


def _unit(data: Any) -> str | None:
    unit = None if data is None else data.attrs.get("unit")
    return unit.decode() if isinstance(unit, bytes) else unit and str(unit)


def h5py_text(data: Any) -> bool:
    """Whether a dataset holds text."""
    import h5py

    return h5py.check_string_dtype(data.dtype) is not None


def _box(particles: Any) -> tuple[Any, Any]:
    """Cell vectors and periodicity, per frame or once for all: arrays, or data sets to read from."""
    if "box" not in particles:
        return np.zeros((3, 3)), np.zeros(3, dtype=bool)
    box = particles["box"]
    edges = box.get("edges")
    cells = np.zeros((3, 3))
    if edges is not None:
        cells = edges["value"] if hasattr(edges, "keys") else edges
    if "pbc" in box:
        return cells, box["pbc/value"]
    names = [n.decode() if isinstance(n, bytes) else n for n in box.attrs.get("boundary", [])]
    return cells, np.array([name == "periodic" for name in names or ["none"] * 3])


def _frame(
    columns: dict[str, Array], per_atom: set[str], row: int, edges: Array, periodic: Array
) -> Frame:
    species = columns["numbers"] if columns["numbers"].ndim == 1 else columns["numbers"][row]
    real = ~np.isnan(species.astype(np.float64))
    cell = edges[row] if edges.ndim == 3 else edges
    values = {
        name: found
        for name, column in columns.items()
        if name not in {"numbers", "positions"} and len(column) > row
        if (found := _value(name, column[row], real if name in per_atom else None)) is not None
    }
    return Frame(
        species[real].astype(np.int32),
        columns["positions"][row][: len(real)][real],
        np.diag(cell) if cell.ndim == 1 else cell,
        periodic[row] if periodic.ndim == 2 else periodic,
        values,
    )


def _value(name: str, value: Any, real: Array | None) -> Any:
    """What a frame has of a quantity; `real` tells the atoms of one per atom from padding."""
    if isinstance(value, str):
        try:
            return json.loads(value) if value else None
        except ValueError:
            return value
    if real is not None and np.ndim(value):
        value = value[: len(real)][real[: len(value)]]
    if np.isnan(value).all():
        return None
    return int(value) if FACTS.get(name) == "integer" else value
