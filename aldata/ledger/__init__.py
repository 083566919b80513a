"""The ledger: every oracle call that ever ended, so that none is bought twice."""

from aldata.ledger.exchange import pull, push
from aldata.ledger.index import Index
from aldata.ledger.ledger import MINIMUM_FREE_BYTES, Ledger
from aldata.ledger.objects import DamagedObject
from aldata.ledger.rebuilding import missing_and_different, records_in
from aldata.ledger.verification import verify

__all__ = [
    "MINIMUM_FREE_BYTES",
    "DamagedObject",
    "Index",
    "Ledger",
    "missing_and_different",
    "pull",
    "push",
    "records_in",
    "verify",
]
