"""curate: which call plays which role, for good, as a delta on the parent's data set."""

from aldata.curate.chain import Lineage, chain, check_results, members, verify_chain
from aldata.curate.dataset import curate
from aldata.curate.duplicates import near_copies
from aldata.curate.settings import CurateSettings

__all__ = [
    "CurateSettings",
    "Lineage",
    "chain",
    "check_results",
    "curate",
    "members",
    "near_copies",
    "verify_chain",
]
