"""`params.yaml`: read, checked as a whole, merged per generation, and edited with its comments kept."""

from aldata.params.edit import add_generation, next_name, set_behaviour, set_values, with_values
from aldata.params.model import BEHAVIOUR, VERBS, Parameters
from aldata.params.reading import load, parent_in, parse

__all__ = [
    "BEHAVIOUR",
    "VERBS",
    "Parameters",
    "add_generation",
    "load",
    "next_name",
    "parent_in",
    "parse",
    "set_behaviour",
    "set_values",
    "with_values",
]
