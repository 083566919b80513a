"""Which calls a recorded model uses, and what for: those of its data sets, and those of its noise."""

from __future__ import annotations

from collections.abc import Iterable

from aldata.audit.graph import Graph, Recorded
from aldata.audit.noise import measurement_of, noise_calls
from aldata.audit.uses import USES, Visit, walk


def uses_of(graph: Graph, record: Recorded) -> dict[int, str]:
    """Every call that a recorded model uses, by id in the index, and what for.

    A call that it uses in its data sets as well is no `noise`. Empty for a generation without a
    trained checkpoint.
    """
    if not record.trained or record.manifest not in graph.manifests:
        return {}
    chain, _ = graph.chain(str(record.manifest))
    found: dict[int, str] = {}
    for visit in walk(graph, None, {manifest.digest for manifest in chain}):
        if visit.manifest.digest == record.manifest:
            inherited = visit.inherited.get(str(record.checkpoint), {})
            found = {**dict.fromkeys(inherited, "inherited"), **visit.state.uses()}
    if record.calibration is None:  # not yet made
        found = {call: use for call, use in found.items() if use != "probe"}
    for call in noise_calls(graph, measurement_of(graph, record)):
        found.setdefault(call, "noise")
    return found


def counted(record: Recorded, visit: Visit, noise: Iterable[int]) -> dict[str, int]:
    """How many of the followed calls a recorded model uses, by what for.

    noise : those that its noise was measured with.
    """
    if not record.trained:
        return {}
    inherited = visit.inherited.get(str(record.checkpoint), {})
    counts = dict.fromkeys(USES, 0) | visit.state.used()
    counts["inherited"] = len(inherited)
    unused: set[str | None] = {None}
    if record.calibration is None:
        counts["probe"] = 0
        unused.add("probe")
    others = [call for call in noise if call not in inherited]
    counts["noise"] = sum(visit.state.use(call) in unused for call in others)
    return {use: count for use, count in counts.items() if count}
