"""Experiments beside each other: learning curves, paired differences, and what they allow to say."""

from aldata.compare.curves import AGAINST, Curve, Unlike, curves_of, experiments, metrics_of, unlike
from aldata.compare.statistics import Difference, Interval, calls_to_reach, differences
from aldata.compare.study import Planned, planned
from aldata.compare.verdicts import sentences, verdict, warnings

__all__ = [
    "AGAINST",
    "Curve",
    "Difference",
    "Interval",
    "Planned",
    "Unlike",
    "calls_to_reach",
    "curves_of",
    "differences",
    "experiments",
    "metrics_of",
    "planned",
    "sentences",
    "unlike",
    "verdict",
    "warnings",
]
