"""`aldata compare`: strategies as experiments, side by side."""

from aldata.cli.compare.command import configure, run

__all__ = ["configure", "run"]
