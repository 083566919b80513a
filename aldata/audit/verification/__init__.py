"""Does the chain hold? Every hash is recomputed; a link that does not hold is named."""

from aldata.audit.verification.findings import Broken, Findings
from aldata.audit.verification.verify import verify

__all__ = ["Broken", "Findings", "verify"]
