"""The only door to the disk for artifacts: Zarr stores and JSON documents, whole or not at all."""

from aldata.store.documents import (
    json_digest,
    read_document,
    read_json,
    write_document,
    write_json,
)
from aldata.store.reading import read
from aldata.store.writing import Writer, write, writer

__all__ = [
    "Writer",
    "json_digest",
    "read",
    "read_document",
    "read_json",
    "write",
    "write_document",
    "write_json",
    "writer",
]
