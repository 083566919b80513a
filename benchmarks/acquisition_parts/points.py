"""Farthest points: beside the limit of the memory's bandwidth, beside other programs, of frames."""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from acquisition_parts.pools import chosen_of, made_descriptors, pool_of, vectors
from acquisition_parts.timing import Found, median, seconds
from aldata.acquire import Pool
from aldata.acquire.distances import nearest
from aldata.acquire.frontier import Frontier
from aldata.artifacts.frames import Predictions


def fps(scale: float) -> list[Found]:
    count, picks, training = int(1e6 * scale), 500, int(1e4 * scale)
    found = []
    for kind in ("manifold", "isotropic"):
        values, known = vectors(kind, count, 128, 0), vectors(kind, training, 128, 1)
        buffer = (
            values.copy()
        )  # pages that exist: the first touch of new ones costs more than a copy
        copy = median(lambda b=buffer, v=values: np.copyto(b, v), 5)
        bandwidth = 2 * values.nbytes / copy
        limit = (picks + 1) * values.nbytes / bandwidth
        pool = pool_of(values, known)
        alone, frontier = seconds(lambda p=pool: Frontier(p))
        distance = frontier.distances()
        picking, last = seconds(lambda f=frontier: picked(f, picks))
        total = alone + picking
        slow, _ = seconds(lambda v=values, d=distance: plain(v, d**2, picks))
        few = values[: count // 10].astype(np.float64)
        exact = plain(few, nearest(few, known) ** 2, picks)
        ours = chosen_of(pool_of(values[: count // 10], known), picks).rows
        found.append(
            {
                "data": kind,
                "vectors": count,
                "picks": picks,
                "training rows": training,
                "copy GB/s": bandwidth / 1e9,
                "limit": limit,
                "total": total,
                "training": alone,
                "picking": picking,
                "plain picking": slow,
                "picking over limit": picking / limit,
                "total over limit": total / limit,
                "total over plain": total / (slow + alone),
                "identical picks": bool(np.array_equal(ours, exact)),
                "last distance": last,
            }
        )
    return found


def picked(frontier: Frontier, count: int) -> float:
    """So many picks, as `farthest_point.pick` takes them; the distance of the last one."""
    last = 0.0
    for _ in range(count):
        row = frontier.farthest()
        last = frontier.distance(row)
        frontier.add(row)
    return last


def plain(values: np.ndarray, distance2: np.ndarray, count: int) -> np.ndarray:
    """The plain algorithm: every pick reads every vector; in the precision of the vectors."""
    norms = np.einsum("ij,ij->i", values, values)
    rows = np.zeros(count, np.int64)
    best = distance2.astype(values.dtype)
    for k in range(count):
        row = rows[k] = int(np.argmax(best))
        product = values @ values[row]
        product *= -2
        product += norms
        product += norms[row]
        np.minimum(best, product, out=best)
    return rows


PEER = """
import sys, time, json
import numpy as np
values, count = np.load(sys.argv[1]), int(sys.argv[2])
found = {}
try:
    from skmatter.sample_selection import FPS
    began = time.process_time()
    model = FPS(n_to_select=count, initialize=0).fit(values.astype(np.float64))
    found["skmatter"] = (time.process_time() - began, np.asarray(model.selected_idx_).tolist())
except ImportError:
    pass
try:
    import fpsample
    for name, work in (
        ("fpsample", lambda: fpsample.fps_sampling(values, count, start_idx=0)),
        ("fpsample, npdu kd-tree", lambda: fpsample.fps_npdu_kdtree_sampling(values, count, start_idx=0)),
    ):
        began = time.process_time()
        rows = work()
        found[name] = (time.process_time() - began, np.asarray(rows).tolist())
except ImportError:
    pass
print(json.dumps(found))
"""


def peers(scale: float, python: str | None) -> list[Found]:
    """Without a training set: the first point is given to all, to ours as the one known environment."""
    count, picks = max(1000, int(1e4 * scale)), 500
    values = vectors("manifold", count, 128, 0)
    rest = np.arange(1, count)
    taken, chosen = seconds(lambda: chosen_of(pool_of(values[1:], values[:1]), picks - 1))
    ours = [0, *rest[chosen.rows].tolist()]
    found = [{"way": "aldata", "vectors": count, "picks": picks, "seconds": taken}]
    if python is None:
        return [*found, {"way": "skmatter, fpsample", "seconds": None}]
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder) / "values.npy", values)
        command = [python, "-c", PEER, str(Path(folder) / "values.npy"), str(picks)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    for name, (time_taken, rows) in json.loads(done.stdout.splitlines()[-1]).items():
        same = sum(a == b for a, b in zip(rows, ours, strict=True))
        found.append(
            {
                "way": name,
                "vectors": count,
                "picks": picks,
                "seconds": time_taken,
                "over aldata": time_taken / taken,
                "same picks": f"{same} of {picks}",
            }
        )
    return found


def frames(scale: float) -> list[Found]:
    found, atoms = [], 20
    for count in (int(1e4 * scale), int(1e5 * scale)):
        pool = Pool(
            candidates=made_descriptors(vectors("manifold", count * atoms, 128, 0), atoms, 0),
            training=made_descriptors(vectors("manifold", 200 * atoms, 128, 1), atoms, 1),
            predictions=Predictions.empty({}),
        )
        taken, _ = seconds(lambda p=pool: chosen_of(p, 50))
        found.append({"frames": count, "atoms": atoms, "picks": 50, "seconds": taken})
    return found
