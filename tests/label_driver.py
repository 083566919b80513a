"""A driver that can be killed: labels pairs of atoms with `trial_calculators.Springs`.

python label_driver.py LEDGER SIDE NUMBER SECONDS
"""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from aldata.artifacts.documents import Theory
from aldata.artifacts.frames import Configuration, Configurations, as_configurations
from aldata.execution import ClusterSettings, run
from aldata.label import LabelSettings, Requests, label, resolve
from aldata.ledger import Ledger

SPRINGS = "trial_calculators.Springs"


def pairs(*starts: float) -> Configurations:
    """One pair of helium atoms per start: the first x coordinate, by which it is known."""
    return as_configurations([_pair(start) for start in starts])


def _pair(start: float) -> Configuration:
    return Configuration(
        numbers=np.array([2, 2]),
        positions=np.array([[start, 0.0, 0.0], [start + 1.1, 0.1, 0.0]]),
        cell=np.zeros((3, 3)),
        pbc=np.zeros(3, dtype=bool),
    )


def theory_of(side: Path, seconds: float = 0.0, habit: str = "none") -> Theory:
    keywords: dict[str, Any] = {"side": str(side), "seconds": seconds, "habit": habit}
    return resolve("ase", {"calculator": SPRINGS, "keywords": keywords})


def main(ledger: str, side: str, number: str, seconds: str) -> None:
    requests = Requests.of(pairs(*(i / 8 for i in range(int(number)))), "acquired")
    theory = theory_of(Path(side), float(seconds))
    runner = partial(run, settings=ClusterSettings(workers=2), title="label")
    labels, facts = label(requests, theory, Ledger(Path(ledger)), LabelSettings(), runner)
    new = sum(fact["new"] for fact in facts)
    print(json.dumps({"digest": labels.digest, "accepted": int(labels.accepted.sum()), "new": new}))


if __name__ == "__main__":
    main(*sys.argv[1:])
