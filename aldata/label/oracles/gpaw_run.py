"""Runs GPAW, in the Python environment that GPAW lives in: this file imports nothing of aldata.

python gpaw_run.py gpaw.in       computes: reads the task, writes gpaw.json beside GPAW's log
python gpaw_run.py --tell pbe '{"Si": "paw"}'     prints versions, and the data set of every element
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any


def compute(task: dict[str, Any]) -> dict[str, Any]:
    """Energy (eV), forces (eV/A), stress (eV/A^3)."""
    from ase import Atoms
    from gpaw import GPAW

    atoms = Atoms(
        task["numbers"], task["positions"], cell=task["cell"], pbc=True, magmoms=task["moments"]
    )
    atoms.calc = GPAW(txt="gpaw.txt", **task["parameters"])
    return {
        "energy": float(atoms.get_potential_energy(force_consistent=True)),
        "forces": atoms.get_forces().tolist(),
        "stress": atoms.get_stress().tolist() if task["stress"] else None,
        "converged": True,  # GPAW raises otherwise
    }


def tell(xc: str, setups: dict[str, str]) -> dict[str, Any]:
    """Versions, and for every element the data set's file, sha256 and valence electrons, or None."""
    import gpaw
    from gpaw.setup_data import SetupData, search_for_file
    from gpaw.xc import XC

    found: dict[str, Any] = {}
    for symbol, kind in setups.items():
        try:
            data = SetupData(symbol, XC(xc).get_setup_name(), kind)
            path, _ = search_for_file(data.stdfilename)
        except (FileNotFoundError, RuntimeError):
            found[symbol] = None
            continue
        sha256 = hashlib.sha256(Path(path).read_bytes()).hexdigest()
        found[symbol] = {"file": Path(path).name, "sha256": sha256, "valence": float(data.Nv)}
    return {"version": gpaw.__version__, "setups": found}


def main(arguments: list[str]) -> int:
    """Compute, or tell."""
    sys.path.pop(0)  # this file's folder, whose modules have the names of codes
    if arguments[0] == "--tell":
        print(json.dumps(tell(arguments[1], json.loads(arguments[2]))))
        return 0
    from gpaw import KohnShamConvergenceError

    task = json.loads(Path(arguments[0]).read_text())
    try:
        result = compute(task)
    except KohnShamConvergenceError as problem:
        result = {"converged": False, "message": str(problem)}
    Path("gpaw.json").write_text(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
