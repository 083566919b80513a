"""The oracles: one file per code, and the dictionary of them."""

from aldata.label.oracles.abinit import Abinit
from aldata.label.oracles.ase import Ase
from aldata.label.oracles.cp2k import Cp2k
from aldata.label.oracles.emt import Emt
from aldata.label.oracles.espresso import Espresso
from aldata.label.oracles.gpaw import Gpaw
from aldata.label.oracles.protocol import Answer, Oracle, OracleFailure
from aldata.label.oracles.pyscf import Pyscf
from aldata.label.oracles.pyscf_cells import PyscfCells
from aldata.label.oracles.replay import Replay
from aldata.label.oracles.tblite import Tblite

ORACLES: dict[str, type[Oracle]] = {
    "pyscf": Pyscf,
    "pyscf_cells": PyscfCells,
    "espresso": Espresso,
    "abinit": Abinit,
    "cp2k": Cp2k,
    "gpaw": Gpaw,
    "tblite": Tblite,
    "emt": Emt,
    "ase": Ase,
    "replay": Replay,
}
"""Every oracle by the name that `params.yaml` gives it."""

__all__ = ["ORACLES", "Answer", "Oracle", "OracleFailure"]
