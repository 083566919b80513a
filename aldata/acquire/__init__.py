"""Acquire: choose which candidates to ask the oracle about."""

from aldata.acquire.belief import Belief, LastLayerBelief
from aldata.acquire.plots import map_points, plane, score_points
from aldata.acquire.pool import Pool
from aldata.acquire.selections import acquire
from aldata.acquire.settings import AcquireSettings
from aldata.acquire.strategies import STRATEGIES, Picks, Strategy

__all__ = [
    "STRATEGIES",
    "AcquireSettings",
    "Belief",
    "LastLayerBelief",
    "Picks",
    "Pool",
    "Strategy",
    "acquire",
    "map_points",
    "plane",
    "score_points",
]
