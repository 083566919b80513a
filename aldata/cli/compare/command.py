"""The options of `aldata compare run` and `aldata compare show`."""

from __future__ import annotations

import argparse
from pathlib import Path

from aldata.cli.compare import running, showing
from aldata.compare import AGAINST

EXAMPLE = """\
examples:
  aldata compare run --strategies random,information_gain_diversity --seeds 5 --jobs 2
  aldata compare show                                all experiments of the current commit
  aldata compare show --metric 'test_*_forces_*' --against seconds
  aldata compare show study-random-1 mine --metric probe_so_far_forces_rmse_meV_per_A --plot curves.png"""

METRIC = "test_forces_rmse_meV_per_A"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the two subcommands."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EXAMPLE
    commands = parser.add_subparsers(dest="action", required=True, metavar="run|show")
    run_parser = commands.add_parser("run", help="one `dvc exp run` per strategy and seed")
    run_parser.add_argument("--strategies", required=True, metavar="A,B,...")
    run_parser.add_argument("--seeds", type=int, default=5, help="random seeds (default: 5)")
    run_parser.add_argument("--jobs", type=int, default=1, help="experiments side by side")
    run_parser.add_argument("--study", default="study", help="first part of the experiments' names")
    show = commands.add_parser("show", help="learning curves, paired differences, a verdict")
    show.add_argument("experiments", nargs="*", metavar="EXPERIMENT")
    show.add_argument("--study", metavar="NAME", help="those of one study of the current commit")
    show.add_argument(
        "--metric",
        default=METRIC,
        metavar="M,M,...",
        help=f"errors to compare, by name or pattern like 'test_*_forces_*' (default: {METRIC})",
    )
    show.add_argument(
        "--against",
        choices=list(AGAINST),
        default="calls",
        help="equal cost means equal calls (default), or equal CPU seconds of the oracle",
    )
    show.add_argument("--reference", default="random", help="strategy to compare with")
    show.add_argument("--target", type=float, help="error to reach, in the metric's unit")
    show.add_argument("--generation", help="compare up to this one (default: the plan's last)")
    show.add_argument("--plot", type=Path, help="draw the learning curves into this file")
    show.add_argument("--json", action="store_true", help="machine-readable")


def run(options: argparse.Namespace) -> int:
    """Run or show the comparison."""
    return {"run": running.run, "show": showing.run}[options.action](options)
