"""The archive: what a lineage holds, at any version, as sequences, queries and differences."""

from aldata.archive.checkpoints import StoredCheckpoints
from aldata.archive.frames import StoredFrames
from aldata.archive.kinds import KINDS
from aldata.archive.lineage import Lineage
from aldata.archive.opening import open

__all__ = ["KINDS", "Lineage", "StoredCheckpoints", "StoredFrames", "open"]
