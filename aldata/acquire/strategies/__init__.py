"""The strategies, by name."""

from aldata.acquire.picks import Picks, Strategy
from aldata.acquire.strategies import (
    farthest_point,
    information_gain,
    largest_cluster,
    max_variance,
    random,
)
from aldata.acquire.strategies.permuted import permuted

DEFAULT = "information_gain_diversity"

STRATEGIES = {
    "random": Strategy(random.pick),
    "farthest_point": Strategy(farthest_point.pick),
    "max_variance": Strategy(max_variance.pick, "variances"),
    "information_gain": Strategy(information_gain.pick, "model"),
    DEFAULT: Strategy(information_gain.pick_diverse, "model"),
    "largest_cluster": Strategy(largest_cluster.pick, "model"),
}
"""Every strategy. To add one: a module with a `pick`, an entry here and in `settings.NAMES`."""

STRATEGIES["permuted"] = permuted(STRATEGIES[DEFAULT], DEFAULT)

__all__ = ["STRATEGIES", "Picks", "Strategy", "farthest_point"]
