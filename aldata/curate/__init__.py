"""curate: which call plays which role, for good, as a delta on the parent's data set."""

from aldata.curate.chain import (
    Lineage,
    chain,
    check_results,
    members,
    retracted_in,
    verify_chain,
)
from aldata.curate.dataset import curate
from aldata.curate.duplicates import near_copies
from aldata.curate.retractions import (
    FOLDER,
    RetractionFile,
    Revocation,
    expanded,
    path_of_retraction,
    path_of_revocation,
)
from aldata.curate.settings import CurateSettings

__all__ = [
    "FOLDER",
    "CurateSettings",
    "Lineage",
    "RetractionFile",
    "Revocation",
    "chain",
    "check_results",
    "curate",
    "expanded",
    "members",
    "near_copies",
    "path_of_retraction",
    "path_of_revocation",
    "retracted_in",
    "verify_chain",
]
