"""What asking costs: farthest points, information gain, uncertainties, and pools of a million candidates.

    python benchmarks/acquisition.py [--parts NAME ...] [--peers PYTHON] [--scale 1] [--json FILE]

One process, one thread; CPU seconds, ratios within the run. --scale: share of the sizes.
--peers is a Python of an environment of its own that has skmatter and fpsample, which do not agree with our
other packages: `python -m venv DIR; DIR/bin/pip install skmatter fpsample`. Parts:

* fps: 500 farthest points of 1,000,000 x 128 float32 vectors given 10,000 training rows, by the function of
  the loop (frames of one atom). `limit`: the plain algorithm reads every vector once for each pick, at the
  bandwidth that copying them has here. `plain picking` is that algorithm in numpy, float32, without the
  distances to the training rows, which both need (`training`). Two kinds of data: `manifold`, 12 hidden
  variables in 300 clusters, as descriptors of molecular dynamics are; `isotropic`, normal vectors.
  Picks are compared with those of the plain algorithm in float64 (a tenth of the vectors).
* peers: 500 of 10,000 x 128 without a training set, beside skmatter and fpsample; same first point.
* frames: the function that the loop calls, 50 picks by atom and element against 200 training frames, of
  10,000 and 100,000 frames of 20 atoms.
* batch: a log-det batch of 50 from 10,000 candidates, the parts one by one; lazy and plain greedy.
* uncertainty: each method beside one energy and force evaluation of one model of the same architecture.
* growth: `python -m pipelines.acquire` in a real project with 10^4, 10^5, 10^6 candidates in its stores.
  Memory is the largest anonymous memory of the process: pages of mapped files, which the system takes
  back, do not count.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

from acquisition_parts import PARTS
from acquisition_parts.timing import Found


def shown(rows: list[Found]) -> str:
    """A Markdown table; numbers to three digits."""
    names = list(dict.fromkeys(name for row in rows for name in row))

    def cell(value: Any) -> str:
        return f"{value:.3g}" if isinstance(value, float) else "-" if value is None else str(value)

    lines = [names, ["---"] * len(names), *([cell(row.get(n)) for n in names] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--parts", nargs="+", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--peers", help="a Python that has skmatter and fpsample")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the sizes below")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    scale = given.scale
    found: dict[str, list[Found]] = {}
    for part in given.parts:
        work = PARTS[part]
        found[part] = work(scale, given.peers) if part == "peers" else work(scale)
        print(f"\n### {part}\n\n{shown(found[part])}", flush=True)
        if given.json:
            given.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
