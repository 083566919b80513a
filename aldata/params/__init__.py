"""`params.yaml`: read, checked as a whole, merged per generation, and edited with its comments kept."""

from aldata.params.edit import add_generation, next_name, set_behaviour, set_values
from aldata.params.model import BEHAVIOUR, VERBS, Parameters
from aldata.params.reading import load

__all__ = [
    "BEHAVIOUR",
    "VERBS",
    "Parameters",
    "add_generation",
    "load",
    "next_name",
    "set_behaviour",
    "set_values",
]
