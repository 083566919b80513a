"""Made-up calls for the tests of the ledger."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from aldata import digest
from aldata.artifacts.calls import Attempt, CallRecord, Geometry, RawFile
from aldata.artifacts.documents import Theory, call_id
from aldata.artifacts.frames import Configuration
from aldata.ledger import Ledger

THEORY = Theory(oracle="trial", settings={}, record={"code": "trial", "version": "trial 1"})


def attempt(number: int = 0, outcome: str = "conclusive", cpu: float = 2.0) -> Attempt:
    return Attempt(
        id=f"20260101T000000-{number:012x}",
        start="2026-01-01T00:00:00.000+00:00",
        end=None if outcome == "running" else "2026-01-01T00:00:02.000+00:00",
        cpu_seconds=cpu,
        host="here",
        pid=1,
        cores=1,
        version="trial 1.0",
        python="3.11.7",
        outcome=outcome,
    )


def record(x: float = 0.0, **changes: object) -> CallRecord:
    configuration = Configuration(
        numbers=np.array([1, 8]),
        positions=np.array([[x, 0.1, 0.2], [0.3, 1 / 3, -1e-17]]),
        cell=np.zeros((3, 3)),
        pbc=np.zeros(3, dtype=bool),
        charge=-1,
        spin=1,
    )
    content: dict[str, object] = {
        "call_id": call_id(configuration.id, THEORY.id),
        "configuration_id": configuration.id,
        "theory_id": THEORY.id,
        "configuration": Geometry.of(configuration),
        "theory": THEORY,
        "status": "accepted",
        "energy": -76.1 / 3,
        "forces": [(0.1, 0.2, 1 / 3), (-0.1, -0.2, -1 / 3)],
        "net_force": 0.0,
        "converged": {"by": "trial"},
        "attempts": [attempt()],
    }
    return CallRecord(**{**content, **changes})  # type: ignore[arg-type]


def stored_with_raw(ledger: Ledger, x: float) -> CallRecord:
    """A record in the ledger, with one raw file that it lists."""
    plain = record(x)
    data = f"input of {x}".encode()
    folder = ledger.raw_folder(plain.call_id, plain.attempts[0].id)
    (folder / "input.json").write_bytes(data)
    file = RawFile(name="input.json", part="input", bytes=len(data), sha256=digest.of_bytes(data))
    tried = plain.attempts[0].model_copy(update={"files": [file]})
    full = plain.model_copy(update={"attempts": [tried]})
    ledger.store(full)
    ledger.add_attempt(full.call_id, tried)
    return full


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, by its path there."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
