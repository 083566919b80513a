"""The graph of `audit.py` in AiiDA, and its two questions: run by a Python that has aiida-core.

    python benchmarks/audit_aiida.py CALLS GENERATIONS EXPERIMENTS

A profile in a temporary folder with AiiDA's SQLite backend (core.sqlite_dos). Per call a calculation node
and its result; per generation a calculation that makes the data set from the results and the parent's
data set, and one that makes the model from the data set. Nodes and links are written in bulk: storing
them one by one takes hours. Prints, as JSON, rows of the table in docs/benchmarks.md.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

CALL, DATA = "process.calculation.calcjob.CalcJobNode.", "data.core.dict.Dict."
STEP = "process.calculation.calcfunction.CalcFunctionNode."


class Builder:
    """Nodes and links, collected and written in bulk."""

    def __init__(self, backend: Any) -> None:
        self.backend = backend
        self.nodes: list[dict[str, Any]] = []
        self.links: list[dict[str, Any]] = []
        self.now = datetime.now(UTC)
        self.keys: list[int] = []

    def node(self, kind: str, label: str) -> int:
        user = self.backend.default_user.pk
        self.nodes.append({
            "uuid": str(uuid.uuid4()), "node_type": kind, "process_type": None,
            "label": label, "description": "", "ctime": self.now, "mtime": self.now,
            "attributes": {"role": "train", "cpu_seconds": 97.2}, "extras": {},
            "repository_metadata": {}, "dbcomputer_id": None, "user_id": user,
        })  # fmt: skip
        return len(self.nodes) - 1

    def link(self, source: int, target: int, label: str, kind: str) -> None:
        self.links.append({"input_id": source, "output_id": target, "label": label, "type": kind})

    def write(self) -> None:
        from aiida.orm.entities import EntityTypes

        with self.backend.transaction():
            self.keys = self.backend.bulk_insert(EntityTypes.NODE, self.nodes)
            for link in self.links:
                for end in ("input_id", "output_id"):
                    link[end] = self.keys[link[end]]
            self.backend.bulk_insert(EntityTypes.LINK, self.links)


def built(builder: Builder, calls: int, generations: int, experiments: int) -> tuple[int, int]:
    """The graph of the generated project; places of the first call and of the last model."""
    dataset, first, model = None, 0, 0
    each = calls // generations
    before: list[int] = []
    parent = None
    for number in range(generations):
        results = _asked(builder, each, f"g{number:03d}")
        first = results[0][0] if number == 0 else first
        parent = dataset
        dataset, model = _generation(builder, f"g{number:03d}", [r for _, r in results], parent)
        before = [r for _, r in results]
    for number in range(experiments):
        new = _asked(builder, each // 2, f"experiment {number}")
        results_of_it = [*before[: each - each // 2], *(r for _, r in new)]
        _generation(builder, f"experiment {number}", results_of_it, parent)
    return first, model


def _asked(builder: Builder, count: int, label: str) -> list[tuple[int, int]]:
    found = []
    for _ in range(count):
        call, result = builder.node(CALL, label), builder.node(DATA, f"result of {label}")
        builder.link(call, result, "result", "create")
        found.append((call, result))
    return found


def _generation(
    builder: Builder, label: str, results: list[int], parent: int | None
) -> tuple[int, int]:
    curate, dataset = builder.node(STEP, f"curate {label}"), builder.node(DATA, f"data set {label}")
    train, model = builder.node(STEP, f"train {label}"), builder.node(DATA, f"model {label}")
    for place, result in enumerate(results):
        builder.link(result, curate, f"result_{place}", "input_calc")
    if parent is not None:
        builder.link(parent, curate, "parent", "input_calc")
    builder.link(curate, dataset, "dataset", "create")
    builder.link(dataset, train, "dataset", "input_calc")
    builder.link(train, model, "model", "create")
    return dataset, model


def timed(act: Callable[[], Any], repeats: int = 3) -> tuple[str, Any]:
    """Least CPU and wall seconds of several, as two cells of the table, and the last result.

    CPU seconds are those of this process and of its children that have ended.
    """
    cpu = wall = float("inf")
    found = None
    for _ in range(repeats):
        begun, before = time.perf_counter(), sum(os.times()[:4])
        found = act()
        wall = min(wall, time.perf_counter() - begun)
        cpu = min(cpu, sum(os.times()[:4]) - before)
    return f"{cpu:.2f} s | {wall:.2f} s", found


def calls_of(model: int) -> int:
    from aiida.orm import CalcJobNode, Node, QueryBuilder

    builder = QueryBuilder()
    builder.append(Node, filters={"id": model}, tag="model")
    builder.append(CalcJobNode, with_descendants="model", project=["uuid", "label", "attributes"])
    return len(builder.distinct().all())


def models_of(call: int) -> int:
    from aiida.orm import Dict, Node, QueryBuilder

    builder = QueryBuilder()
    builder.append(Node, filters={"id": call}, tag="call")
    builder.append(
        Dict,
        with_ancestors="call",
        filters={"label": {"like": "model %"}},
        project=["uuid", "label"],
    )
    return len(builder.distinct().all())


def main() -> None:
    calls, generations, experiments = (int(number) for number in sys.argv[1:4])
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["AIIDA_PATH"] = scratch
        from aiida import load_profile
        from aiida.manage.configuration import create_profile, get_config

        profile = create_profile(
            get_config(create=True), name="audit", storage_backend="core.sqlite_dos",
            storage_config={"filepath": str(Path(scratch) / "storage")}, email="a@localhost",
        )  # fmt: skip
        load_profile(profile.name, allow_switch=True)
        from aiida.manage import get_manager

        builder = Builder(get_manager().get_profile_storage())
        first, model = built(builder, calls, generations, experiments)
        wrote, _ = timed(builder.write, 1)
        size = sum(p.stat().st_size for p in Path(scratch).rglob("*.sqlite*"))
        back, found = timed(lambda: calls_of(builder.keys[model]))
        on, models = timed(lambda: models_of(builder.keys[first]))
        nodes, links = len(builder.nodes), len(builder.links)
    print(json.dumps([
        (f"AiiDA: model -> its {found:,} calls", back, ""),
        (f"AiiDA: call -> {models} models", on, ""),
        (f"AiiDA: {nodes:,} nodes, {links:,} links, written in bulk", wrote, f"{size / 1e6:.0f} MB"),
    ]))  # fmt: skip


if __name__ == "__main__":
    main()
