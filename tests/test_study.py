"""The study of strategies (benchmarks/asking.py), on a pool of a few dozen frames."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from published_data import ACETYLACETONE, DATA, SILICON

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "study" / "results"
sys.path.insert(0, str(ROOT / "benchmarks"))

import asking  # noqa: E402
from study import emt, published, tables  # noqa: E402
from study.rounds import (  # noqa: E402
    LAST_LAYER,
    RARE_ONLY,
    Run,
    described_pool,
    energies_alone,
    read_lines,
    rounds,
    start,
)
from study.systems import SYSTEMS  # noqa: E402
from study.worlds import System, World  # noqa: E402

from aldata.acquire import STRATEGIES  # noqa: E402
from aldata.compare import Curve, cost_to_reach  # noqa: E402
from aldata.potentials import predict  # noqa: E402

TINY = replace(
    emt.SYSTEM,
    training=emt.SYSTEM.training.model_copy(update={"steps": 20, "validate_every": 10}),
    batch=6,
    probe=2,
    screen=10,
)


@pytest.fixture(scope="module")
def world() -> World:
    rng = np.random.default_rng(0)

    def shaken(by: float, count: int) -> list[Any]:
        found = [emt.cluster(rng) for _ in range(count)]
        for atoms in found:
            atoms.positions += rng.normal(scale=by, size=(8, 3))
        return found

    pool = emt.labelled(shaken(0.05, 24) + shaken(0.2, 8), 0)
    tests = {
        "300K": emt.labelled(shaken(0.05, 4), None),
        "1200K": emt.labelled(shaken(0.2, 4), None),
    }
    kinds = ["300 K"] * 24 + ["1200 K"] * 8
    return World(0, pool, kinds, emt.labelled(shaken(0.05, 12), 0), tests, [0.0, 0.0])


@pytest.fixture(scope="module")
def described(world: World) -> Any:
    return described_pool(TINY, world)


def run_to(folder: Path, world: World, described: Any, strategy: str, count: int) -> list[Any]:
    path = folder / f"{strategy}-0.jsonl"
    rounds(start(TINY, world, strategy, {}, described), path, count)
    return read_lines(path)


@pytest.fixture(scope="module")
def default(tmp_path_factory: Any, world: World, described: Any) -> list[Any]:
    """Two rounds of the default strategy in one piece."""
    folder = tmp_path_factory.mktemp("whole")
    return run_to(folder, world, described, "information_gain_diversity", 2)


class TestRounds:
    def test_every_label_is_counted_and_none_is_paid_twice(
        self, default: list[Any], world: World
    ) -> None:
        assert [line["calls"] for line in default] == [12, 18, 24]
        ids = [identity for line in default for identity in line["ids"]]
        assert len(set(ids)) == len(ids) == 12
        assert set(ids) <= set(world.pool.ids)
        # two of six are the probe: never trained on, and not among the kinds that were learned from
        assert sum(default[-1]["kinds"].values()) == 8

    def test_strategies_with_one_seed_share_beginning_and_first_probe(
        self, tmp_path: Path, default: list[Any], world: World, described: Any
    ) -> None:
        other = run_to(tmp_path, world, described, "random", 1)
        assert other[0]["forces_1200K"] == default[0]["forces_1200K"]
        assert other[1]["ids"][:2] == default[1]["ids"][:2]
        assert set(other[1]["ids"][2:]) != set(default[1]["ids"][2:])

    def test_the_bound_asks_for_the_rare_kind_alone(
        self, world: World, described: Any, tmp_path: Path
    ) -> None:
        lines = run_to(tmp_path, world, described, RARE_ONLY, 1)
        probe = lines[1]["ids"][: TINY.probe]
        learned = [world.kinds[world.pool.ids.index(i)] for i in lines[1]["ids"][TINY.probe :]]
        assert learned == ["1200 K"] * (TINY.batch - TINY.probe)
        assert run_to(tmp_path, world, described, "random", 1)[1]["ids"][: TINY.probe] == probe

    def test_what_was_interrupted_ends_as_if_it_had_not_been(
        self, tmp_path: Path, default: list[Any], world: World, described: Any
    ) -> None:
        fresh = replace(world, models={})
        run_to(tmp_path, fresh, described, "information_gain_diversity", 1)
        path = tmp_path / "information_gain_diversity-0.jsonl"
        path.write_text(path.read_text() + json.dumps(default[2])[:40])  # killed while writing
        again = run_to(tmp_path, replace(world, models={}), described, path.stem[:-2], 2)
        told = [{k: v for k, v in line.items() if k != "cpu_s"} for line in again]
        assert told == [{k: v for k, v in line.items() if k != "cpu_s"} for line in default]

    def test_a_run_that_another_process_holds_is_left_to_it(
        self, tmp_path: Path, world: World, described: Any
    ) -> None:
        import fcntl

        path = tmp_path / "random-0.jsonl"
        with path.open("a") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            assert run_to(tmp_path, world, described, "random", 1) == []

    @pytest.mark.parametrize("name", [n for n, s in STRATEGIES.items() if s.needs == "model"])
    def test_predictions_that_decide_nothing_are_saved(
        self, monkeypatch: Any, name: str, world: World, described: Any
    ) -> None:
        current = Run(TINY, world, name, {}, described, world.first)
        current.learn()
        cheap = current.ask(1)
        monkeypatch.setattr(
            "study.rounds.energies_alone",
            lambda belief, pool: predict(belief.checkpoint, pool, LAST_LAYER),
        )
        assert current.ask(1) == cheap

    def test_cheap_predictions_hold_the_variances_of_the_full_ones(self, world: World) -> None:
        from aldata.acquire import LastLayerBelief

        current = Run(TINY, world, "random", {}, None, world.first)  # type: ignore[arg-type]
        current.learn()
        assert current.checkpoint is not None
        belief = LastLayerBelief(current.checkpoint, world.pool, world.first, LAST_LAYER.ridge)
        full = predict(current.checkpoint, world.pool, LAST_LAYER)
        cheap = energies_alone(belief, world.pool)
        np.testing.assert_allclose(cheap.energy_variance, full.energy_variance, rtol=1e-9)
        assert cheap.attributes == full.attributes


def curve(strategy: str, seed: int, errors: list[float]) -> Curve:
    measures = list(emt.SYSTEM.measures)
    points = [
        {"calls": 12 * (k + 1), "kinds": {"1200 K": k}, **dict.fromkeys(measures, error)}
        for k, error in enumerate(errors)
    ]
    return Curve(f"{strategy}-{seed}", "", strategy, seed, tuple(points), (), {})


class TestTables:
    @pytest.fixture
    def curves(self) -> list[Curve]:
        slow = [curve("random", s, [400.0, 300.0, 200.0 + s]) for s in range(3)]
        fast = [curve("farthest_point", s, [400.0, 200.0 + s, 100.0 + s / 2]) for s in range(3)]
        return [*slow, *fast, curve("max_variance", 0, [400.0, 500.0, 600.0])]

    def test_ratios_are_paired(self, curves: list[Curve]) -> None:
        rows = tables.table(emt.SYSTEM, curves).splitlines()
        assert rows[3].split(" | ")[:5] == [
            "| `farthest_point`",
            "3",
            "2.0",
            "100",
            "0.50 (0.50 - 0.50)",
        ]
        assert "(" not in rows[4].split(" | ")[4]  # of one seed there is no interval

    def test_labels_are_counted_to_the_end_of_random(self, curves: list[Curve]) -> None:
        rows = tables.needed(emt.SYSTEM, curves).splitlines()
        assert "| 36, 36, 36 | 1.00 (1.00 - 1.00) |" in rows[2]
        assert "| 24, 24, 24 | 0.67 (0.67 - 0.67) |" in rows[3]
        assert "| never | never |" in rows[4]
        assert cost_to_reach(curves[3].values("forces_1200K"), 200.0) == 24

    def test_labels_are_paired_where_random_itself_needs_fewer(self) -> None:
        """Random that is below its own end after 24 of 36 labels is no measure of 36."""
        early = curve("random", 0, [400.0, 200.0, 200.0])
        mine = curve("farthest_point", 0, [400.0, 300.0, 200.0])
        rows = tables.needed(emt.SYSTEM, [early, mine]).splitlines()
        assert "| 24 | 1.00 (1.00 - 1.00) |" in rows[2]
        assert "| 36 | 1.50 (1.50 - 1.50) |" in rows[3]

    def test_a_run_that_is_not_complete_is_left_out_and_named(self, curves: list[Curve]) -> None:
        short = [
            replace(curves[0], experiment=f"{name}-7", strategy=name, points=curves[0].points[:1])
            for name in ("permuted", "random")
        ]
        complete, last = tables.paired([*curves, *short])
        assert (len(complete), last) == (len(curves), 2)
        assert tables.unfinished([*curves, *short]).endswith(": permuted-7 (0), random-7 (0).\n")
        assert tables.unfinished(curves) == ""

    def test_what_is_kept_makes_the_same_tables(self, curves: list[Curve], tmp_path: Path) -> None:
        (tmp_path / "runs.jsonl").write_text(tables.kept(curves))
        read = tables.curves_in(tmp_path)
        assert tables.table(emt.SYSTEM, read) == tables.table(emt.SYSTEM, curves)
        assert tables.needed(emt.SYSTEM, read) == tables.needed(emt.SYSTEM, curves)


def shown(page: str) -> list[tuple[str, Path, list[int]]]:
    """The commands of a page that make its tables: name of the system, folder, seeds."""
    text = (ROOT / "docs" / page).read_text()
    found = []
    for command in re.findall(r"asking\.py --folder benchmarks/study/results (.*)", text):
        given = asking.options(["--folder", str(RESULTS), *command.split()])
        found.append((given.system, asking.studied(given)[1], given.seeds))
    return found


@pytest.mark.parametrize("page", ["asking.md", "study.md"])
def test_the_tables_of_the_pages_are_those_of_the_kept_rounds(page: str) -> None:
    text, commands = (ROOT / "docs" / page).read_text(), shown(page)
    assert commands
    for name, folder, seeds in commands:
        system, curves = SYSTEMS[name], tables.curves_in(folder, seeds)
        assert tables.table(system, curves) in text, (name, seeds)
        assert tables.needed(system, curves) in text, (name, seeds)


@pytest.fixture(scope="module")
def data() -> Path:
    if not (SILICON.is_dir() and ACETYLACETONE.is_dir()):
        pytest.skip("needs the published data beside the project")
    return DATA


class TestPublished:
    @pytest.mark.parametrize(
        "system",
        [published.BALANCED, published.REDUNDANT, published.SILICON],
        ids=lambda s: s.title[:9],
    )
    def test_nothing_is_in_two_places(self, system: System, data: Path) -> None:
        made = system.make(0, data)
        pool, first = set(made.pool.ids), set(made.first.ids)
        tests = {identity for labels in made.tests.values() for identity in labels.ids}
        assert len(pool) == len(made.kinds) == len(made.pool)
        assert not pool & first
        assert not (pool | first) & tests
        assert made.pool.ids != system.make(1, data).pool.ids
        assert len(made.isolated) == len(system.species)

    def test_the_pools_are_those_that_are_told(self, data: Path) -> None:
        redundant = published.redundant(0, data)
        assert (redundant.kinds.count("300 K"), redundant.kinds.count("600 K")) == (450, 50)
        assert len(published.balanced(0, data).pool) == 1000 - published.FIRST
        silicon = published.silicon(0, data)
        for kind, count in published.RARE_IN_POOL.items():
            assert silicon.kinds.count(kind) == count

    def test_missing_data_says_what_is_looked_for(self, tmp_path: Path) -> None:
        from aldata.errors import InvalidInput

        for folder in (None, tmp_path):
            with pytest.raises(InvalidInput, match=r"train_300K\.xyz"):
                published.redundant(0, folder)
