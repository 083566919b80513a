"""The ways to describe an environment."""

from __future__ import annotations

from aldata.describe.soap import soap

METHODS = {"soap": soap}
"""Each takes (configurations, settings, species) and returns float64 vectors (atom, feature)."""
