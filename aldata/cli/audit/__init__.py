"""`aldata audit`: which calls made a model, and what a call has reached."""

from aldata.cli.audit.command import configure, run

__all__ = ["configure", "run"]
