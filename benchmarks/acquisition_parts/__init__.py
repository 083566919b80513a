"""The parts of the benchmark of asking: each a function of the share of its sizes that gives rows."""

from collections.abc import Callable

from acquisition_parts.growth import growth
from acquisition_parts.models import batch, uncertainty
from acquisition_parts.points import fps, frames, peers
from acquisition_parts.timing import Found

PARTS: dict[str, Callable[..., list[Found]]] = {
    "fps": fps,
    "peers": peers,
    "frames": frames,
    "batch": batch,
    "uncertainty": uncertainty,
    "growth": growth,
}
