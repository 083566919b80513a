"""Every format that aldata exchanges data in: one file each, with the same two functions."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from aldata.errors import InvalidInput
from aldata.exchange import ase_db, extxyz, h5md, mace_hdf5, parquet
from aldata.exchange.frames import Content, Frame, Statement


@dataclass(frozen=True)
class Format:
    """A way to store frames: what it is, file endings, needed modules, reader and writer.

    `read(path)` gives the frames as they are, and reads them when they are asked for;
    `write(path, statement, frames)` writes a new file, frame after frame, and returns how many.
    """

    meaning: str
    suffixes: tuple[str, ...]
    modules: tuple[str, ...]
    read: Callable[[Path], Content]
    write: Callable[[Path, Statement, Iterable[Frame]], int]

    def refuse_missing_packages(self, where: str) -> None:
        """Raise InvalidInput, with the command that helps, when a package is not installed."""
        missing = [name for name in self.modules if find_spec(name) is None]
        if missing:
            raise InvalidInput(
                f"needs {', '.join(missing)}, which is not installed",
                where=where,
                next_step="pip install 'aldata[formats]'",
            )


FORMATS: dict[str, Format] = {
    "extxyz": Format(
        "extended XYZ; reading: anything that ASE reads",
        (".xyz", ".extxyz"),
        (),
        extxyz.read,
        extxyz.write,
    ),
    "ase": Format(
        "ASE's database, SQLite or (small) JSON", (".db", ".json"), (), ase_db.read, ase_db.write
    ),
    "lmdb": Format(
        "ASE's database in LMDB, as used by fairchem, OMat24 and OMol25",
        (".aselmdb",),
        ("ase_db_backends", "lmdb"),
        ase_db.read,
        ase_db.write,
    ),
    "h5md": Format("H5MD, as znh5md writes it", (".h5md",), ("h5py",), h5md.read, h5md.write),
    "mace": Format(
        "HDF5 of mace_prepare_data", (".h5", ".hdf5"), ("h5py",), mace_hdf5.read, mace_hdf5.write
    ),
    "parquet": Format(
        "Parquet with ColabFit's columns",
        (".parquet",),
        ("pyarrow",),
        parquet.read,
        parquet.write,
    ),
}
"""The formats by name; the command line, the documentation and the tests iterate over them."""


def format_of(path: Path, name: str | None = None) -> Format:
    """The format of a file: by name, else by the ending of its own. Raises InvalidInput."""
    if name is not None and name in FORMATS:
        return FORMATS[name]
    found = [f for f in FORMATS.values() if path.suffix.lower() in f.suffixes]
    if name is None and found:
        return found[0]
    endings = ", ".join(f"{key} ({' '.join(f.suffixes)})" for key, f in FORMATS.items())
    raise InvalidInput(
        f"there is no format '{name}'" if name else "its ending names no format",
        where=str(path),
        expected=f"one of: {endings}",
        next_step="name one with --format (extxyz reads whatever ASE reads)",
    )
