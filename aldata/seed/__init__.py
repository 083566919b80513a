"""Seed: the user's structures, the first candidates, labels that exist already, and a test set."""

from aldata.seed.displacements import displaced
from aldata.seed.settings import SeedSettings, TestSettings
from aldata.seed.trajectories import test_trajectory

__all__ = [
    "SeedSettings",
    "TestSettings",
    "displaced",
    "test_trajectory",
]
