"""Explore: propose configurations by molecular dynamics on the parent's committee mean."""

from aldata.explore.proposals import explore, propose
from aldata.explore.settings import Checks, ExploreSettings
from aldata.explore.trajectories import Trajectory, Walk, walk

__all__ = ["Checks", "ExploreSettings", "Trajectory", "Walk", "explore", "propose", "walk"]
