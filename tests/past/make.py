"""Write one small store of every kind as this version writes it, for all later versions to read.

Run once after `SCHEMA_VERSION` was raised: ``PYTHONPATH=.:tests python tests/past/make.py``. What an
earlier version wrote is never written again: a folder that exists is refused.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from made_stores import CLASSES, made

from aldata import store
from aldata.artifacts.columns import Columns
from aldata.artifacts.schema import SCHEMA_VERSION

ROW_SIZE = [3, 1, 0, 2]
ATTRIBUTES = {"made": "by tests/past/make.py", "unicode": "Å, é, 水", "numbers": [1, 2.5, None]}


def values_of(artifact: Columns) -> dict[str, Any]:
    """First and last element of every array, its shape and type: what a reader must find."""
    return {
        name: {
            "dtype": str(array.dtype),
            "shape": list(array.shape),
            "first": array.reshape(-1)[0].item(),
            "last": array.reshape(-1)[-1].item(),
        }
        for name, array in artifact.arrays.items()
    }


def main() -> None:
    folder = Path(__file__).parent / f"schema{SCHEMA_VERSION}"
    if folder.exists():
        sys.exit(f"{folder} exists: stores of an earlier version are never written again")
    expected = {}
    for name, kind in CLASSES.items():
        artifact = made(kind, ROW_SIZE, seed=SCHEMA_VERSION, attributes=ATTRIBUTES)
        stated = store.write(folder / f"{name}.zarr", artifact)
        expected[name] = {
            "digest": stated,
            "attributes": ATTRIBUTES,
            "arrays": values_of(artifact),
        }
    store.write_json(folder / "expected.json", expected)


if __name__ == "__main__":
    main()
