"""Explore: propose configurations, by dynamics on the parent's model and by what needs no model."""

from aldata.explore.asking import Answer, Ask
from aldata.explore.proposals import committee_mean, explore, propose
from aldata.explore.samplers import SAMPLERS, Context, Finding
from aldata.explore.settings import (
    FOLDER,
    BiasedDynamics,
    Checks,
    Displacements,
    EndPoint,
    ExploreSettings,
    Imported,
    MolecularDynamics,
    PathIntegral,
    ReactionPath,
)
from aldata.explore.trajectories import Trajectory, Walk, walk
from aldata.explore.watching import Watch

__all__ = [
    "FOLDER",
    "SAMPLERS",
    "Answer",
    "Ask",
    "BiasedDynamics",
    "Checks",
    "Context",
    "Displacements",
    "EndPoint",
    "ExploreSettings",
    "Finding",
    "Imported",
    "MolecularDynamics",
    "PathIntegral",
    "ReactionPath",
    "Trajectory",
    "Walk",
    "Watch",
    "committee_mean",
    "explore",
    "propose",
    "walk",
]
