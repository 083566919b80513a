"""evaluate: how wrong a checkpoint is, on named test sets, and the learning curve so far."""

from aldata.artifacts.residuals import errors
from aldata.evaluate.exploration import explored
from aldata.evaluate.names import METRICS, Metric, flatten, is_error, metric_of
from aldata.evaluate.plots import bands, parity
from aldata.evaluate.report import Facts, extend_history, history_point, metrics, numbers
from aldata.evaluate.settings import EvaluateSettings
from aldata.evaluate.stopping import Wanted, stopping

__all__ = [
    "METRICS",
    "EvaluateSettings",
    "Facts",
    "Metric",
    "Wanted",
    "bands",
    "errors",
    "explored",
    "extend_history",
    "flatten",
    "history_point",
    "is_error",
    "metric_of",
    "metrics",
    "numbers",
    "parity",
    "stopping",
]
