"""Acquire: choose which candidates to ask the oracle about."""

from aldata.acquire.pool import Pool
from aldata.acquire.selections import acquire
from aldata.acquire.settings import AcquireSettings
from aldata.acquire.strategies import STRATEGIES, Picks, Strategy

__all__ = ["STRATEGIES", "AcquireSettings", "Picks", "Pool", "Strategy", "acquire"]
