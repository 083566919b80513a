"""Seed: the user's structures, the first candidates, labels that exist already, and a test set."""

from aldata.seed.displacements import displaced
from aldata.seed.imports import imported
from aldata.seed.settings import SeedSettings, TestSettings
from aldata.seed.structures import read_structures
from aldata.seed.trajectories import test_trajectory

__all__ = [
    "SeedSettings",
    "TestSettings",
    "displaced",
    "imported",
    "read_structures",
    "test_trajectory",
]
