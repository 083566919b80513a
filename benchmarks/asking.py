"""Does asking well pay? Every strategy against random, where all labels are known.

    python benchmarks/asking.py --folder FOLDER [--system emt] [--data DATA] [--seeds 0-4] [--rounds N]
                                [--steps N] [--strategies NAME ...] [--set acquire setting=value ...]
                                [--table FILE] [--figure FILE.png] [--keep FILE.jsonl]

Systems: `emt` (analytic labels, needs nothing), `acetylacetone_redundant`, `acetylacetone_balanced` and
`silicon` (published DFT data, see benchmarks/study/published.py; `--data` is the folder that holds it).
In each round a strategy asks for a batch; some of it is the random probe, which is never trained on but
counted in the budget. Then one model is trained anew (the same number of steps for all, uncertainty by
its last layer) and calibrated on the probe frames so far.

Everything random has a seed; runs with the same seed share pool, first labels, tests, noise and initial
weights. What is compared is the logarithm of the error over that of `random` with the same seed, by the
statistics of `aldata compare`. `permuted` is the null: the default's scores on shuffled frames. What a
strategy could gain at most shows `rare_only`, which is none: it knows the kinds of the frames.

Each round of each run is a line of FOLDER/SYSTEM/STRATEGY-SEED.jsonl. Started again, it goes on after the
last one; several processes may share a folder. `--set` makes a variant, whose runs are called
STRATEGY+NAME=VALUE; `--steps` trains longer, in FOLDER/SYSTEM+steps=N; `--only-table` computes nothing.
Our own rounds lie in benchmarks/study/results: `--folder benchmarks/study/results --only-table` makes the
tables of docs/asking.md and docs/study.md of them.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
import yaml
from study.rounds import RARE_ONLY, described_pool, read_lines, rounds, start
from study.systems import SYSTEMS
from study.tables import REFERENCE, cost, curves_in, kept, needed, paired, table, unfinished
from study.worlds import System

from aldata.acquire import STRATEGIES


def seeds_of(text: str) -> list[int]:
    """`3`, `0-4` or `0,2,5-7`: the seeds that are meant."""
    found: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        found += range(int(first), int(last or first) + 1)
    return found


def options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--system", default="emt", choices=SYSTEMS)
    parser.add_argument("--data", type=Path, help="folder of the published data")
    parser.add_argument("--seeds", type=seeds_of, default=seeds_of("0-4"))
    parser.add_argument("--rounds", type=int, help="instead of the system's own number")
    parser.add_argument(
        "--steps", type=int, help="of a training, instead of the system's own number"
    )
    parser.add_argument(
        "--strategies", nargs="+", default=list(STRATEGIES), choices=[*STRATEGIES, RARE_ONLY]
    )
    parser.add_argument("--set", nargs="+", default=[], metavar="NAME=VALUE")
    parser.add_argument("--table", type=Path, help="where to write the tables, in Markdown")
    parser.add_argument("--figure", type=Path, help="where to draw the learning curves")
    parser.add_argument("--keep", type=Path, help="where to write the rounds without their picks")
    parser.add_argument("--only-table", action="store_true")
    return parser.parse_args(arguments)


def studied(given: argparse.Namespace) -> tuple[System, Path]:
    """The system, its training as long as asked for, and the folder of its runs."""
    system, folder = SYSTEMS[given.system], given.folder / given.system
    if given.steps is None:
        return system, folder
    training = system.training.model_copy(update={"steps": given.steps})
    folder = folder.with_name(f"{folder.name}+steps={given.steps}")
    title = f"{system.title}, {given.steps} steps"
    return replace(system, training=training, title=title), folder


def compute(given: argparse.Namespace, system: System, folder: Path) -> None:
    """All runs, seed by seed, so that what is interrupted is still paired."""
    changes = {name: yaml.safe_load(value) for name, value in (s.split("=") for s in given.set)}
    suffix = "".join(f"+{change}" for change in given.set)
    count = given.rounds or system.rounds
    for seed in given.seeds:
        paths = {name: folder / f"{name}{suffix}-{seed}.jsonl" for name in given.strategies}
        paths = {name: path for name, path in paths.items() if len(read_lines(path)) <= count}
        if not paths:
            continue
        world = system.make(seed, given.data)
        described = described_pool(system, world)
        for strategy, path in paths.items():
            rounds(start(system, world, strategy, changes, described), path, count)


def main() -> None:
    given = options()
    torch.set_num_threads(1)
    system, folder = studied(given)
    if not given.only_table:
        compute(given, system, folder)
    curves = curves_in(folder, given.seeds, given.rounds)
    if not any(curve.strategy == REFERENCE for curve in curves):
        raise SystemExit(
            f"{folder}: no run of {REFERENCE} with these seeds, so nothing to compare with"
        )
    labels = paired(curves)[0][0].points[-1]["calls"]
    parts = [f"After {labels} labels:\n", table(system, curves), unfinished(curves)]
    found = "\n".join(part for part in [*parts, needed(system, curves), cost(curves)] if part)
    print(found)
    if given.table:
        given.table.write_text(found)
    if given.keep:
        given.keep.parent.mkdir(parents=True, exist_ok=True)
        given.keep.write_text(kept(curves))
    if given.figure:
        from study.figures import draw

        draw(system, curves, given.figure)


if __name__ == "__main__":
    main()
