"""Data in the formats of others: read under stated units, sign and level of theory; written with ids."""

from aldata.exchange.conventions import OWN, PRESETS, Conventions
from aldata.exchange.formats import FORMATS, Format, format_of
from aldata.exchange.frames import (
    FACTS,
    Frame,
    Statement,
    frames_of,
    own_statement,
    stated_theory,
)
from aldata.exchange.given import SAME, given, other_theory, theory_name
from aldata.exchange.reading import Imported, Reading, read, states_itself
from aldata.exchange.request import Request
from aldata.exchange.writing import write

__all__ = [
    "FACTS",
    "FORMATS",
    "OWN",
    "PRESETS",
    "SAME",
    "Conventions",
    "Format",
    "Frame",
    "Imported",
    "Reading",
    "Request",
    "Statement",
    "format_of",
    "frames_of",
    "given",
    "other_theory",
    "own_statement",
    "read",
    "stated_theory",
    "states_itself",
    "theory_name",
    "write",
]
