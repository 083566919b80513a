"""Describe: an invariant vector for the environment of every atom."""

from aldata.describe.methods import METHODS
from aldata.describe.settings import NAMES, DescribeSettings
from aldata.describe.vectors import describe, descriptor_id

__all__ = ["METHODS", "NAMES", "DescribeSettings", "describe", "descriptor_id"]
