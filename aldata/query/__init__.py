"""Questions about frames: a table of quantities, a small language of conditions, sorting."""

from aldata.query.asking import Question, Source, ask, values
from aldata.query.elements import Elements
from aldata.query.expressions import Condition
from aldata.query.quantities import QUANTITIES, Quantity, known
from aldata.query.recipes import Recipe, largest_per_frame, variance_forces

__all__ = [
    "QUANTITIES",
    "Condition",
    "Elements",
    "Quantity",
    "Question",
    "Recipe",
    "Source",
    "ask",
    "known",
    "largest_per_frame",
    "values",
    "variance_forces",
]
