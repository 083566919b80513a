"""A driver on SLURM that can be killed: python slurm_driver.py FOLDER NUMBER SECONDS [SETTINGS].

Labels pairs of atoms with `trial_calculators.Springs`; the ledger is FOLDER/ledger.
"""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

from label_driver import pairs, theory_of

from aldata.errors import AldataError
from aldata.execution import ClusterSettings, run
from aldata.label import LabelSettings, Requests, label
from aldata.ledger import Ledger

CLUSTER: dict[str, Any] = {
    "kind": "slurm",
    "queue": "main",
    "interface": "lo",
    "walltime": "00:10:00",
    "memory": 1.0,
    "workers": 2,
}


def main(folder: str, number: str, seconds: str, changes: str = "{}") -> int:
    cluster = ClusterSettings.checked({**CLUSTER, **json.loads(changes)}, where="test")
    requests = Requests.of(pairs(*(i / 8 for i in range(int(number)))), "acquired")
    theory = theory_of(Path(folder) / "side", float(seconds))
    runner = partial(run, settings=cluster, title="label")
    try:
        labels, facts = label(
            requests, theory, Ledger(Path(folder) / "ledger"), LabelSettings(), runner
        )
    except AldataError as problem:
        print(problem, file=sys.stderr)
        return 1
    print(json.dumps({"digest": labels.digest, "facts": facts}))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
