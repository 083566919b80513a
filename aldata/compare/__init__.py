"""Experiments beside each other: learning curves, paired differences, and what they allow to say."""

from aldata.compare.curves import AGAINST, UNITS, Curve, by_strategy, metrics_of, repeated
from aldata.compare.likeness import Acted, Unlike, acted, acted_alike, unlike
from aldata.compare.reaching import Reached, reached
from aldata.compare.reading import Read, curves_of, experiments, named
from aldata.compare.statistics import Difference, Interval, cost_to_reach, differences, error_at
from aldata.compare.study import Planned, planned, study_of
from aldata.compare.verdicts import amount, doings, sentences, verdict, warnings

__all__ = [
    "AGAINST",
    "UNITS",
    "Acted",
    "Curve",
    "Difference",
    "Interval",
    "Planned",
    "Reached",
    "Read",
    "Unlike",
    "acted",
    "acted_alike",
    "amount",
    "by_strategy",
    "cost_to_reach",
    "curves_of",
    "differences",
    "doings",
    "error_at",
    "experiments",
    "metrics_of",
    "named",
    "planned",
    "reached",
    "repeated",
    "sentences",
    "study_of",
    "unlike",
    "verdict",
    "warnings",
]
