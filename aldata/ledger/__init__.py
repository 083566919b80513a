"""The ledger: every oracle call that ever ended, so that none is bought twice."""

from aldata.ledger.ledger import MINIMUM_FREE_BYTES, Ledger
from aldata.ledger.objects import DamagedObject

__all__ = ["MINIMUM_FREE_BYTES", "DamagedObject", "Ledger"]
