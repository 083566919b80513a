"""`aldata ledger`: what the oracle's calls cost and hold, whether they are sound, and their exchange."""

from aldata.cli.ledger.command import configure, run

__all__ = ["configure", "run"]
