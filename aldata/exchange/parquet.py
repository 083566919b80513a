"""Parquet with the columns of ColabFit (materials.colabfit.org/docs/configuration_schema) and our facts.

The columns state their units in their metadata (`unit`); the file's metadata hold our statement.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from aldata.errors import InvalidInput
from aldata.exchange.conventions import Conventions, tensor
from aldata.exchange.frames import (
    FACTS,
    Content,
    Frame,
    Statement,
    blocks,
    stated_theory,
    statement_of,
)

STATEMENT = b"aldata"
BLOCK = 2048
NAMES = {"energy": "energy", "atomic_forces": "forces", "cauchy_stress": "stress"}
UNITS = {
    "positions": ("length", "angstrom"),
    "cell": ("length", "angstrom"),
    "energy": ("energy", "eV"),
    "atomic_forces": ("force", "eV/angstrom"),
    "cauchy_stress": ("stress", "eV/angstrom^3"),
}
"""Convention and unit of every column that has one."""
GEOMETRY = ("atomic_numbers", "positions", "cell", "pbc")


def write(path: Path, statement: Statement, frames: Iterable[Frame]) -> int:
    """Write all frames, in row groups; returns how many."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    written = 0
    schema = _schema().with_metadata({STATEMENT: statement.text().encode()})
    with pq.ParquetWriter(path, schema) as writer:
        for block in blocks(frames, BLOCK):
            rows = [_row(frame, statement) for frame in block]
            writer.write_table(pa.Table.from_pylist(rows, schema=schema))
            written += len(block)
    return written


def _schema() -> Any:
    import pyarrow as pa

    rows = pa.list_(pa.list_(pa.float64()))
    types: dict[str, Any] = {
        "atomic_numbers": pa.list_(pa.int32()),
        "positions": rows,
        "cell": rows,
        "pbc": pa.list_(pa.bool_()),
        "chemical_formula_hill": pa.string(),
        "method": pa.string(),
        "software": pa.string(),
        "energy": pa.float64(),
        "atomic_forces": rows,
        "cauchy_stress": rows,
        "cauchy_stress_volume_normalized": pa.bool_(),
    }
    plain = {"text": pa.string(), "integer": pa.int64(), "number": pa.float64()}
    types |= {name: plain[kind] for name, kind in FACTS.items()}
    return pa.schema(
        [
            pa.field(name, kind, metadata={"unit": UNITS[name][1]} if name in UNITS else None)
            for name, kind in types.items()
        ]
    )


def _row(frame: Frame, statement: Statement) -> dict[str, Any]:
    from ase.formula import Formula
    from ase.symbols import Symbols

    theory = statement.theory
    known = {name: frame.values.get(name) for name in FACTS}
    forces, stress = frame.values.get("forces"), frame.values.get("stress")
    return known | {
        "atomic_numbers": np.asarray(frame.numbers).tolist(),
        "positions": np.asarray(frame.positions).tolist(),
        "cell": np.asarray(frame.cell).tolist(),
        "pbc": np.asarray(frame.pbc).tolist(),
        "chemical_formula_hill": Formula(str(Symbols(frame.numbers))).format("hill"),
        "method": None if theory is None else _method(theory.record),
        "software": None if theory is None else theory.oracle,
        "energy": frame.values.get("energy"),
        "atomic_forces": None if forces is None else np.asarray(forces).tolist(),
        "cauchy_stress": None if stress is None else tensor(np.asarray(stress)).tolist(),
        "cauchy_stress_volume_normalized": None if stress is None else True,
    }


def _method(record: dict[str, Any]) -> str:
    from aldata.digest import canonical_json

    return str(record["stated"]) if "stated" in record else canonical_json(record)


def read(path: Path) -> Content:
    """Every row. Raises InvalidInput where a column of the geometry is missing."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        names = file.schema_arrow.names
        if missing := [name for name in GEOMETRY if name not in names]:
            raise InvalidInput(
                f"has no column {', '.join(missing)}",
                where=str(path),
                expected=f"the columns of ColabFit: {', '.join([*GEOMETRY, *NAMES])}",
            )
        metadata = file.schema_arrow.metadata or {}
        statement = statement_of(metadata.get(STATEMENT), str(path))
        if statement.conventions == Conventions():
            statement = _stated(file, path)
    return Content(statement, _frames(path))


def _frames(path: Path) -> Iterator[Frame]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(BLOCK):
            yield from map(_frame, batch.to_pylist())


def _stated(file: Any, path: Path) -> Statement:
    """What a foreign file says: units in the metadata of columns or in `..._unit`, and its method."""
    found: dict[str, str] = {}
    schema = file.schema_arrow
    for name, (quantity, _) in UNITS.items():
        if name in schema.names:
            metadata = schema.field(name).metadata or {}
            said = {metadata[b"unit"].decode()} if b"unit" in metadata else set()
            said |= _different(file, f"{name}_unit")
            if len(said) > 1:
                raise InvalidInput(f"{name} has the units {', '.join(said)}", where=str(path))
            if said:
                found[quantity] = said.pop()
    methods, software = _different(file, "method"), _different(file, "software")
    theory = None
    if len(methods) == 1:
        theory = stated_theory(" ".join([*sorted(methods), *sorted(software)]))
    conventions = Conventions.checked(found, f"{path}: unit", error=InvalidInput)
    return Statement(conventions=conventions, theory=theory)


def _different(file: Any, name: str) -> set[str]:
    if name not in file.schema_arrow.names:
        return set()
    batches = file.iter_batches(columns=[name])
    values = {value for batch in batches for value in batch.column(0).unique().to_pylist()}
    return {text for text in values if text is not None}


def _frame(row: dict[str, Any]) -> Frame:
    values = {
        NAMES.get(name, name): np.asarray(value) if isinstance(value, list) else value
        for name, value in row.items()
        if name not in GEOMETRY and value is not None
    }
    return Frame(
        np.asarray(row["atomic_numbers"]),
        np.asarray(row["positions"], dtype=np.float64).reshape(-1, 3),
        np.zeros((3, 3)) if row["cell"] is None else np.asarray(row["cell"], dtype=np.float64),
        np.zeros(3, dtype=bool) if row["pbc"] is None else np.asarray(row["pbc"]),
        values,
    )
