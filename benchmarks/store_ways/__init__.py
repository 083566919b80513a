"""Ways to keep labelled frames on disk, each used as its own documentation recommends.

A way is a class with the same six verbs: `write` and `append` make files below a folder; an instance
is the opened store and answers `batch` (arrays of FIELDS of some rows), `scan` (the sum of all
energies and force components, everything read), `column` (the energies of all frames) and `species`
(how many frames contain an element).
"""

from typing import Any

from store_ways.ase_files import AseDatabase, Aselmdb, Extxyz
from store_ways.h5md import H5md, H5mdPlain
from store_ways.lmdb_and_lance import Lance, Lmdb
from store_ways.mapped import Archive, Memmap, Store

WAYS: dict[str, tuple[type[Any], tuple[str, ...]]] = {
    "np.memmap": (Memmap, ()),
    "aldata": (Archive, ()),
    "aldata store": (Store, ()),
    "LMDB+pickle": (Lmdb, ("lmdb",)),
    "Lance": (Lance, ("lance",)),
    "aselmdb": (Aselmdb, ("ase_db_backends", "lmdb")),
    "H5MD": (H5md, ("znh5md",)),
    "H5MD plain": (H5mdPlain, ("znh5md",)),
    "ASE sqlite": (AseDatabase, ()),
    "extxyz": (Extxyz, ()),
}
"""Every way and the packages that it needs beside aldata's own."""
