"""The only door to the disk for artifacts: Zarr stores and JSON documents, whole or not at all.

And the door to DVC: what a past revision held lies in DVC's cache or its remote.
"""

from aldata.store.documents import (
    json_digest,
    read_document,
    read_json,
    write_document,
    write_json,
)
from aldata.store.mapping import mapped_together
from aldata.store.metadata import Layout, Piece
from aldata.store.reading import lacks, read, read_layout, require, values_of
from aldata.store.revisions import Revision, copy_at
from aldata.store.sealing import scratch
from aldata.store.trees import Tree, Workspace
from aldata.store.writing import Writer, write, writer

__all__ = [
    "Layout",
    "Piece",
    "Revision",
    "Tree",
    "Workspace",
    "Writer",
    "copy_at",
    "json_digest",
    "lacks",
    "mapped_together",
    "read",
    "read_document",
    "read_json",
    "read_layout",
    "require",
    "scratch",
    "values_of",
    "write",
    "write_document",
    "write_json",
    "writer",
]
