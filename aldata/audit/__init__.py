"""Which calls made a model, what a call has reached, and whether the record of it holds.

Read from what git keeps: manifests, activities and tables of calls. No training code, no MLflow and
nothing of DVC is imported; what is not on this machine is reported as missing.
"""

from aldata.audit.calls import audit_calls
from aldata.audit.graph import Graph, Recorded
from aldata.audit.index import Index
from aldata.audit.models import audit_model, found_model, version_at
from aldata.audit.reach import Reached, reach
from aldata.audit.selectors import KINDS, selected
from aldata.audit.used import uses_of
from aldata.audit.uses import USES

__all__ = [
    "KINDS",
    "USES",
    "Graph",
    "Index",
    "Reached",
    "Recorded",
    "audit_calls",
    "audit_model",
    "found_model",
    "reach",
    "selected",
    "uses_of",
    "version_at",
]
