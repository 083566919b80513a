"""The loop on a molecule, with real DFT by PySCF."""

from __future__ import annotations

import json

import numpy as np
from projects import Project

from aldata.artifacts.frames import Labels


def test_molecules_with_real_dft(water: Project) -> None:
    rows = water.status()["generations"]
    assert [row["accepted"] for row in rows] == [8, 8]
    assert rows[1]["oracle_seconds"] > 0
    labels = water.read(Labels, "g001")
    assert not labels.pbc.any()
    assert np.isnan(labels.stress).all()
    history = water.json("g001", "history")
    assert [point["generation"] for point in history] == ["g000", "g001"]
    assert history[1]["calls"] == 16


def test_raw_files_of_every_call_are_kept(water: Project) -> None:
    ledger = water.root / ".aldata" / "ledger"
    for call in water.read(Labels, "g000").call_ids:
        record = json.loads((ledger / "calls" / call[:2] / f"{call}.json").read_text())
        attempt = record["content"]["attempts"][-1]["id"]
        raw = ledger / "raw" / call[:2] / call / attempt
        assert {"input.json", "output.txt"} <= {p.name for p in raw.iterdir()}
        assert record["content"]["converged"]
