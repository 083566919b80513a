"""A reader of stores written from docs/format.md alone: no NumPy, no Zarr, nothing of aldata."""

from __future__ import annotations

import hashlib
import json
import math
import struct
from pathlib import Path
from typing import Any

TYPES = {
    "float64": ("d", "<f8"),
    "float32": ("f", "<f4"),
    "int64": ("q", "<i8"),
    "int32": ("i", "<i4"),
    "uint8": ("B", "|u1"),
    "bool": ("?", "|b1"),
}


def canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def array_digest(data_type: str, shape: list[int], elements: list[Any]) -> str:
    code, name = TYPES[data_type]
    sizes = f"({shape[0]},)" if len(shape) == 1 else "(" + ", ".join(map(str, shape)) + ")"
    if code in "df":
        elements = [0.0 if value == 0 else value for value in elements]
    return sha256(f"{name}{sizes}".encode() + struct.pack(f"<{len(elements)}{code}", *elements))


def digest_of_arrays(digests: dict[str, str], attributes: Any) -> str:
    return sha256(canonical({"arrays": digests, "attributes": attributes}))


def configuration_id(configuration: dict[str, Any]) -> str:
    """The id of a configuration given as in the worked example."""
    n = len(configuration["numbers"])
    positions = [x for row in configuration["positions"] for x in row]
    cell = [x for row in configuration["cell"] for x in row]
    digests = {
        "numbers": array_digest("int32", [n], configuration["numbers"]),
        "positions": array_digest("float64", [n, 3], positions),
        "cell": array_digest("float64", [3, 3], cell),
        "pbc": array_digest("bool", [3], configuration["pbc"]),
    }
    return digest_of_arrays(
        digests, {"charge": configuration["charge"], "spin": configuration["spin"]}
    )


class Store:
    """The attributes and, by name, the flat elements and the shape of every array."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.group = json.loads((path / "zarr.json").read_text(encoding="utf-8"))
        self.attributes = self.group["attributes"]
        assert self.attributes["aldata_schema"] == 2
        self.metadata = {
            name: json.loads((path / name / "zarr.json").read_text(encoding="utf-8"))
            for name in self.attributes["array_digests"]
        }

    def elements(self, name: str) -> list[Any]:
        metadata = self.metadata[name]
        shape = metadata["shape"]
        code = TYPES[metadata["data_type"]][0]
        count = math.prod(shape)
        if count == 0:
            return []
        assert [codec["name"] for codec in metadata["codecs"]] == ["bytes"]
        rows = metadata["chunk_grid"]["configuration"]["chunk_shape"][0]
        files = [
            (self.path / name / "c" / str(chunk)).joinpath(*["0"] * (len(shape) - 1))
            for chunk in range(math.ceil(shape[0] / rows))
        ]
        content = b"".join(file.read_bytes() for file in files)
        return list(struct.unpack_from(f"<{count}{code}", content))

    def array_digest(self, name: str) -> str:
        metadata = self.metadata[name]
        return array_digest(metadata["data_type"], metadata["shape"], self.elements(name))

    def damage(self) -> list[str]:
        """What is not as it was sealed."""
        stated = self.attributes
        digests = {name: self.array_digest(name) for name in self.metadata}
        found = [name for name, value in digests.items() if value != stated["array_digests"][name]]
        head = {
            "kind": stated["aldata_kind"],
            "schema": stated["aldata_schema"],
            "attributes": stated["attributes"],
        }
        if digest_of_arrays(digests, head) != stated["digest"]:
            found.append("digest")
        rest = {name: value for name, value in stated.items() if name != "metadata_digest"}
        if sha256(canonical({**self.group, "attributes": rest})) != stated["metadata_digest"]:
            found.append("metadata_digest")
        if self.group["consolidated_metadata"]["metadata"] != self.metadata:
            found.append("consolidated_metadata")
        return found

    def frame(self, index: int) -> dict[str, Any]:
        """The rows of one frame, by array."""
        sizes = self.elements("row_size")
        first = sum(sizes[:index])
        rows = {"frame": (index, index + 1), "atom": (first, first + sizes[index])}
        found = {}
        for name, metadata in self.metadata.items():
            width = math.prod(metadata["shape"][1:])
            begin, end = rows[metadata["dimension_names"][0]]
            found[name] = self.elements(name)[begin * width : end * width]
        return found
