"""Label: ask an oracle for energies and forces, once per configuration and level of theory."""

from aldata.label.book import CallBook
from aldata.label.fallbacks import failed_requests, fallback_theory, with_fallback
from aldata.label.inspection import Finding, finding_of, inspect_oracle
from aldata.label.labelling import expected_cost, expected_new, label, refuse_impossible
from aldata.label.oracles import ORACLES, Answer, Oracle, OracleFailure
from aldata.label.requests import Requests, isolated_atoms
from aldata.label.settings import LabelSettings
from aldata.label.tally import Tally
from aldata.label.theories import from_theory, resolve, restarted, tighter

__all__ = [
    "ORACLES",
    "Answer",
    "CallBook",
    "Finding",
    "LabelSettings",
    "Oracle",
    "OracleFailure",
    "Requests",
    "Tally",
    "expected_cost",
    "expected_new",
    "failed_requests",
    "fallback_theory",
    "finding_of",
    "from_theory",
    "inspect_oracle",
    "isolated_atoms",
    "label",
    "refuse_impossible",
    "resolve",
    "restarted",
    "tighter",
    "with_fallback",
]
