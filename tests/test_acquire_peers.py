"""Farthest points beside skmatter's, which needs another scikit-learn than ours: an environment of its own.

python -m venv peers && peers/bin/pip install skmatter
ALDATA_PEERS=$PWD/peers/bin/python python -m pytest -m slow tests/test_acquire_peers.py
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from test_acquire import described, unit

from aldata.acquire import Pool
from aldata.acquire.strategies import farthest_point
from aldata.artifacts.frames import Predictions

PEERS = os.environ.get("ALDATA_PEERS")

SKMATTER = """
import json, sys
import numpy as np
from skmatter.sample_selection import FPS
model = FPS(n_to_select=int(sys.argv[2]), initialize=int(sys.argv[3]))
print(json.dumps(np.asarray(model.fit(np.load(sys.argv[1])).selected_idx_).tolist()))
"""


@pytest.mark.slow
@pytest.mark.skipif(PEERS is None, reason="ALDATA_PEERS names no Python that has skmatter")
@pytest.mark.parametrize("seed", range(3))
def test_picks_without_a_training_set_are_those_of_skmatter(tmp_path: Path, seed: int) -> None:
    vectors = unit(np.random.default_rng(seed), 2000, 24).astype(np.float32)
    whole = Pool(
        candidates=described(vectors, list(range(2000)), atoms=1),
        training=described(vectors[:0], [], atoms=1),
        predictions=Predictions.empty({}),
        block=300,
    )
    ours = farthest_point.pick(whole, 150, np.random.default_rng(0)).rows
    np.save(tmp_path / "vectors.npy", vectors.astype(np.float64))
    command = [str(PEERS), "-c", SKMATTER, str(tmp_path / "vectors.npy"), "150", str(ours[0])]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == ours.tolist()
