"""Ways to move a molecule, each warmed up: what is returned moves it on when called."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from typing import Any

from exploration_parts.subjects import single, subject

COPIES = 8
"""Trajectories in one graph."""


def plain(atoms: Any, steps: int) -> Callable[[], None]:
    """ASE's Langevin dynamics of atoms that have a calculator, warmed up."""
    motion = langevin(atoms, 0)
    motion.run(20)
    return lambda: motion.run(steps)


def langevin(atoms: Any, seed: int) -> Any:
    """ASE's integrator."""
    import numpy as np
    from ase import units
    from ase.md.langevin import Langevin

    return Langevin(
        atoms, 0.5 * units.fs, temperature_K=300, friction=0.02 / units.fs, fixcm=False,
        rng=np.random.default_rng(seed),
    )  # fmt: skip


def one_model(arguments: argparse.Namespace) -> Callable[[], None]:
    """The first member alone."""
    from aldata.artifacts.conversion import to_atoms
    from aldata.potentials import Committee

    checkpoint, start = subject(arguments)
    atoms = to_atoms(start)
    atoms.calc = Committee.from_checkpoint(single(checkpoint)).calculator()
    return plain(atoms, arguments.steps)


def one_model_together(arguments: argparse.Namespace) -> Callable[[], None]:
    """The first member alone, for several molecules in one graph."""
    from aldata.artifacts.conversion import to_atoms
    from aldata.explore.lockstep import together
    from aldata.potentials import Committee

    checkpoint, start = subject(arguments)
    calculator = Committee.from_checkpoint(single(checkpoint)).calculator()

    def task(seed: int, steps: int, ask: Any) -> None:
        atoms = to_atoms(start)
        atoms.calc = calculator.asking(ask)
        langevin(atoms, seed).run(steps)

    def run(steps: int) -> None:
        together([partial(task, seed, steps) for seed in range(COPIES)])

    run(20)
    return lambda: run(arguments.steps)


def monitored(arguments: argparse.Namespace) -> Callable[[], None]:
    """A trajectory as explore runs it."""
    checkpoint, start = subject(arguments)
    return walking(arguments, checkpoint, start, "committee")


def monitored_together(arguments: argparse.Namespace) -> Callable[[], None]:
    """A group of such trajectories."""
    checkpoint, start = subject(arguments)
    return walking(arguments, checkpoint, start, "committee", copies=COPIES)


def last_layer(arguments: argparse.Namespace) -> Callable[[], None]:
    """A trajectory of one model that says sigma itself."""
    checkpoint, start = subject(arguments)
    return walking(arguments, single(checkpoint), start, "last_layer")


def biased(arguments: argparse.Namespace) -> Callable[[], None]:
    """A trajectory that sigma draws."""
    checkpoint, start = subject(arguments)
    return walking(arguments, checkpoint, start, "committee", bias=0.2)


def walking(
    arguments: argparse.Namespace,
    checkpoint: Any,
    start: Any,
    method: str,
    bias: float | None = None,
    copies: int = 1,
) -> Any:
    """Explore's own loop, with a watch that never ends it."""
    from aldata.explore import BiasedDynamics, MolecularDynamics, Trajectory, Watch
    from aldata.explore.groups import walk_together
    from aldata.explore.samplers.biased_dynamics import biased_mean
    from aldata.potentials import Committee
    from aldata.potentials.uncertainty import UncertaintySettings

    calculator = Committee.from_checkpoint(checkpoint).calculator()
    if bias is not None:
        calculator = biased_mean(checkpoint, UncertaintySettings().ridge)
    watch = Watch(
        checkpoint=checkpoint, uncertainty=UncertaintySettings(method=method), alpha=1.0, every=5,
        sigma_lo=None, sigma_hi=1e9,
    )  # fmt: skip

    def run(steps: int) -> None:
        plan: dict[str, Any] = {"steps": steps, "equilibration": 0, "interval": 10}
        settings = MolecularDynamics(**plan) if bias is None else BiasedDynamics(**plan, bias=bias)
        group = [
            Trajectory(
                start=start, temperature=300, random_seed=seed, settings=settings,
                calculator=lambda: calculator, watch=watch,
            )
            for seed in range(copies)
        ]  # fmt: skip
        for found in walk_together(group):
            if found.done != steps:
                raise SystemExit(f"the trajectory ended: {found.ended}")

    run(20)
    return lambda: run(arguments.steps)


def mace(arguments: argparse.Namespace, members: int | None) -> Callable[[], None]:
    """ASE's dynamics with mace-torch's calculator."""
    from aldata.artifacts.conversion import to_atoms
    from aldata.potentials.export import contained, to_mace

    checkpoint, start = subject(arguments)
    count = members or checkpoint.members
    models = [to_mace(checkpoint, member, "float32") for member in range(count)]
    with contained():
        from mace.calculators import MACECalculator

        calculator = MACECalculator(models=models, device="cpu", default_dtype="float32")
    atoms = to_atoms(start)
    atoms.calc = calculator
    return plain(atoms, arguments.steps)


WAYS: dict[str, Callable[[argparse.Namespace], Callable[[], None]]] = {
    "one model": one_model,
    "one model, 8 in one graph": one_model_together,
    "monitored": monitored,
    "monitored, 8 in one graph": monitored_together,
    "biased": biased,
    "monitored, last layer": last_layer,
    "MACE, one": lambda arguments: mace(arguments, 1),
    "MACE, committee": lambda arguments: mace(arguments, None),
}
