"""What some calls have reached: data sets, models, calibrations, decisions and metrics, anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from aldata.audit.graph import Graph, Recorded, titles
from aldata.audit.noise import measured_with, measurement_of
from aldata.audit.used import counted
from aldata.audit.uses import Visit, walk


@dataclass(frozen=True)
class Reached:
    """What of one recorded generation some calls have reached, and through what.

    roles : how many of the calls its data set holds, by role (retracted ones apart). uses : how many
    its model uses. calibration, decision, metrics : through what they were reached; None if they were
    not, or are not there.
    """

    record: Recorded
    roles: dict[str, int]
    uses: dict[str, int]
    calibration: list[str] | None
    decision: list[str] | None
    metrics: list[str] | None

    @property
    def is_reached(self) -> bool:
        """Whether anything of it was reached beside its data set."""
        return bool(self.uses or self.calibration or self.decision or self.metrics)

    def content(self) -> dict[str, Any]:
        """As plain values."""
        record = self.record
        return {
            "generation": record.generation,
            "versions": list(titles(record.versions)),
            "revisions": [version.key for version in record.versions],
            "dataset": {"digest": record.manifest, "roles": self.roles},
            "checkpoint": {"digest": record.checkpoint, "uses": self.uses} if self.uses else None,
            "calibration": _through(record.calibration, self.calibration),
            "decision": _through(record.decision, self.decision, strategy=record.strategy),
            "metrics": _through(record.metrics, self.metrics),
        }


def _through(digest: str | None, ways: list[str] | None, **more: Any) -> dict[str, Any] | None:
    return None if not ways else {"digest": digest, **more, "through": ways}


@dataclass
class Touched:
    """Digests of what has been reached so far on the walk, and how a reader calls each."""

    checkpoints: dict[str, str] = field(default_factory=dict)
    calibrations: dict[str, str] = field(default_factory=dict)
    datasets: dict[str, str] = field(default_factory=dict)


def reach(graph: Graph, calls: Sequence[int]) -> list[Reached]:
    """Everything on record that any of the calls (ids in the index) has reached.

    A model is reached when it uses a call (`uses.USES`); a calibration when it was fitted to one, or
    belongs to a model that was reached; a decision when the data set, model or calibration that it
    was made with was; metrics when they were measured on a call or belong to a model that was. A call
    of a measurement of noise reaches decision, model and calibration of the generations made with it.
    """
    measured = {digest: set(parts) for digest, parts in measured_with(graph, calls).items()}
    touched, found = Touched(), []
    for visit in walk(graph, calls):
        holds = bool(visit.state.role)
        if holds:
            generation = visit.manifest.generation
            touched.datasets[visit.manifest.digest] = f"data set of {generation}"
        for record in graph.of_manifest[visit.manifest.digest]:
            used = measurement_of(graph, record)
            noise = set() if used is None else measured.get(used.digest, set())
            item = _reached(record, visit, touched, noise)
            if holds or item.is_reached:
                found.append(item)
    order = {id(record): place for place, record in enumerate(graph.records)}
    return sorted(found, key=lambda item: order[id(item.record)])


def _reached(record: Recorded, visit: Visit, touched: Touched, noise: set[int]) -> Reached:
    """What of a record was reached; `noise` are the calls that its noise was measured with."""
    uses = counted(record, visit, noise)
    if uses.keys() - {"probe", "noise"}:  # its weights
        touched.checkpoints[str(record.checkpoint)] = f"checkpoint of {record.generation}"
    calibration = _calibration(record, uses, touched, noise)
    if calibration and record.calibration:
        touched.calibrations[record.calibration] = f"calibration of {record.generation}"
    return Reached(
        record=record,
        roles=visit.state.roles(),
        uses=uses,
        calibration=calibration if record.calibration else None,
        decision=_decision(record, touched, noise),
        metrics=_metrics(record, visit, touched, calibration),
    )


def _calibration(
    record: Recorded, uses: dict[str, int], touched: Touched, noise: set[int]
) -> list[str]:
    """A calibration with too few probe frames keeps its parent's factors."""
    ways = ["probe frames"] if uses.get("probe") else []
    ways += ["measured noise"] if noise else []
    ways += _named(touched.checkpoints, [record.checkpoint])
    before = record.used("calibrate", "calibration.json").values()
    return ways + _named(touched.calibrations, before)


def _decision(record: Recorded, touched: Touched, noise: set[int]) -> list[str]:
    ways = ["measured noise"] if noise and record.decision else []
    for name, known in (
        ("dataset.json", touched.datasets),
        ("checkpoint.zarr", touched.checkpoints),
        ("calibration.json", touched.calibrations),
    ):
        ways += _named(known, record.used("acquire", name).values())
    return ways


def _metrics(
    record: Recorded, visit: Visit, touched: Touched, calibration: list[str]
) -> list[str] | None:
    if record.metrics is None:
        return None
    ways = ["test set"] if visit.state.tests else []
    if any(purpose in ("acquired", "probe") for _, _, _, purpose in visit.own):
        ways.append("scores of the parent's predictions")
    ways += _named(touched.checkpoints, [record.checkpoint])
    return ways + (["its calibration"] if calibration else [])


def _named(known: dict[str, str], digests: Any) -> list[str]:
    return list(dict.fromkeys(known[digest] for digest in digests if digest in known))
