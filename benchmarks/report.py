"""The report of a large project: time to gather it, size of the page, time until a browser shows it.

    python benchmarks/report.py                          # 50 generations, 100,000 frames of 24 atoms

The project is generated: stores of random frames in a plan of `aldata init`, and the documents that the
page is made of. The browser is Chromium, if there is one: from the start of the navigation until all charts
are drawn, the best of three. Ends with 1 if the page is larger than 20 MB, or shown after more than 3 s.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from aldata import params, report, store
from aldata.artifacts.documents import Calibration, Factor
from aldata.artifacts.frames import Candidates, Labels, Predictions
from aldata.artifacts.layout import SEED, path_of, record_path
from aldata.cli.main import main as aldata

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

import browser
from made_lineages import manifest_of, random_frames
from projects import entry_of

ATOMS = 24
MOST_MB, MOST_SECONDS = 20.0, 3.0
"""What a page may be at most, at the default size."""
MAPPED = 1000
"""Frames of a pool, and of a training set, that the stage `acquire` puts on a map."""


def built(root: Path, generations: int, frames: int, batch: int) -> None:
    """A project with `frames` candidates and `batch` labels per generation."""
    aldata(["init", str(root)])
    names = [f"g{k:03d}" for k in range(generations)]
    plan = {n: entry_of(names[k - 1] if k else SEED) for k, n in enumerate(names)}
    params.set_values(root / "params.yaml", {"generations": plan})
    manifest, known = None, np.zeros((0, 32), np.uint8)
    for number, name in enumerate([SEED, *names]):
        sizes = np.full(frames, ATOMS)
        candidates = random_frames(Candidates, frames, number, row_size=sizes)
        asked = np.linspace(0, frames - 1, batch).astype(int)
        ids = candidates.configuration_id[asked]
        labels = random_frames(
            Labels, batch, number, row_size=sizes[:batch], configuration_id=ids,
            status=np.zeros(batch, np.uint8),
        )  # fmt: skip
        manifest = manifest_of(labels, name, manifest)
        store.write(root / path_of(name, "candidates"), candidates)
        store.write(root / path_of(name, "labels"), labels)
        store.write_document(root / path_of(name, "dataset"), manifest)
        store.write_json(root / path_of(name, "calls"), [call(one) for one in labels.call_ids])
        store.write_document(root / path_of(name, "calibration"), calibration_of(name))
        if name != SEED:
            shared = {"row_size": sizes, "configuration_id": candidates.configuration_id}
            predictions = random_frames(Predictions, frames, number, **shared)
            store.write(root / path_of(name, "predictions"), predictions)
            documents(root, name, candidates.ids, labels.ids, known, number)
        known = np.concatenate([known, ids])


def calibration_of(name: str) -> Calibration:
    factor = Factor(alpha=1.0, mean_z2=1.0, frames=8, fitted=True)
    return Calibration(generation=name, checkpoint="c" * 64, energy=factor, forces=factor)


def call(identity: str) -> dict[str, Any]:
    return {
        "call_id": identity, "status": "accepted", "failure": "none", "message": "", "cpu_seconds": 97.2,
        "wall_seconds": 24.9, "host": "node17", "new": True, "version": "code 7.4",
    }  # fmt: skip


def documents(
    root: Path, name: str, pool: list[str], asked: list[str], known: Any, number: int
) -> None:
    """What the stages write beside the stores: the map, atoms of the probe, and the decision."""
    rng = np.random.default_rng(number)
    training = [bytes(row).hex() for row in known][:MAPPED]
    groups = [("pool", pool[1 : MAPPED + 1]), ("training set", training), ("pick", asked)]
    points = [
        {"x": float(x), "y": float(y), "group": group, "rank": 0, "score": 1.0, "configuration": one[:8]}
        for group, ids in groups
        for one, (x, y) in zip(ids, rng.normal(size=(len(ids), 2)), strict=True)
    ]  # fmt: skip
    atoms = [
        {"sigma_meV_per_A": s, "error_meV_per_A": e, "element": "C", "configuration": asked[0][:8]}
        for s, e in rng.lognormal(4, 1, (2000, 2)).tolist()
    ]
    picks = [
        {
            "configuration": one, "rank": k, "score": 1 / (k + 1), "probe": k % 8 == 0, "reason": "far",
            "sampler": "dynamics", "trajectory": 1, "step": 20, "temperature": 300.0,
        }
        for k, one in enumerate(asked)
    ]  # fmt: skip
    store.write_json(root / path_of(name, "map"), points)
    store.write_json(root / path_of(name, "sigma_error"), atoms)
    record = root / record_path(name, "selection")
    record.parent.mkdir(parents=True)
    attributes = {"strategy": "farthest_point", "facts": {}, "pool": {"candidates": len(pool)}}
    record.write_text(json.dumps({"attributes": attributes, "picks": picks}))


def shown(page: Path, folder: Path) -> tuple[float, float]:
    """Seconds until the browser has drawn the page, the best of three; CPU seconds of its main thread."""
    times, busy = [], []
    with browser.Page(folder / "profile") as tab:
        tab.call("Performance.enable", {"timeDomain": "threadTicks"})
        for _ in range(3):
            began = time.perf_counter()
            tab.open(page)
            tab.until("document.querySelector('#map svg') && document.querySelector('#picks svg')")
            times.append(time.perf_counter() - began)
            busy.append(cpu_seconds(tab))
        print(f"complaints of the browser: {tab.complaints() or 'none'}")
    return min(times), min(busy)


def cpu_seconds(tab: browser.Page) -> float:
    """CPU time of the tab's main thread since the navigation."""
    metrics = tab.call("Performance.getMetrics")["metrics"]
    return float(next(one["value"] for one in metrics if one["name"] == "TaskDuration"))


def main() -> None:
    """Print the times and the size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--generations", type=int, default=50)
    parser.add_argument("--frames", type=int, default=100_000)
    parser.add_argument("--batch", type=int, default=40)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root, page = Path(folder) / "project", Path(folder) / "report.html"
        built(root, options.generations, options.frames // options.generations, options.batch)
        began = time.perf_counter()
        document = report.gathered(root)
        page.write_text(report.page(document), encoding="utf-8")
        print(f"gathered and written in {time.perf_counter() - began:.1f} s")
        size = page.stat().st_size / 1e6
        print(f"size: {size:.1f} MB, at most {MOST_MB:g} are allowed")
        print("\n".join(document["notes"]))
        wall = 0.0
        if browser.program():
            wall, cpu = shown(page, Path(folder))
            print(f"shown after {wall:.2f} s, at most {MOST_SECONDS:g} are allowed; "
                  f"its main thread is busy for {cpu:.2f} s")  # fmt: skip
    if size > MOST_MB or wall > MOST_SECONDS:
        sys.exit("over the limit")


if __name__ == "__main__":
    main()
