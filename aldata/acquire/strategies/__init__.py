"""The strategies, by name."""

from aldata.acquire.picks import Picks, Strategy
from aldata.acquire.strategies import farthest_point, max_variance, random

STRATEGIES = {
    "random": Strategy(random.pick, needs_variances=False),
    "farthest_point": Strategy(farthest_point.pick, needs_variances=False),
    "max_variance": Strategy(max_variance.pick, needs_variances=True),
}
"""Every strategy. To add one: a module with a `pick`, and an entry here."""

__all__ = ["STRATEGIES", "Picks", "Strategy"]
