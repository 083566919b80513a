"""A member as the model that mace-torch would have built, and how mace-torch is imported."""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any

import numpy as np
import numpy.typing as npt

from aldata.artifacts.checkpoints import Checkpoint
from aldata.potentials.architecture import Architecture

_VARIABLE = "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"


@contextmanager
def contained() -> Iterator[None]:
    """Undo what importing and building mace-torch models leaves behind.

    It makes every later `torch.load` of the process unsafe (environment variable), sets the default
    dtype, draws from the global random numbers, and prints about packages that are not needed.
    """
    import torch

    before = os.environ.get(_VARIABLE)
    dtype, state = torch.get_default_dtype(), torch.random.get_rng_state()
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        try:
            # e3nn 0.4 reads its own constants with a pickle that torch 2.6 refuses otherwise
            os.environ[_VARIABLE] = "1"
            yield
        finally:
            os.environ.pop(_VARIABLE, None)
            if before is not None:
                os.environ[_VARIABLE] = before
            torch.set_default_dtype(dtype)
            torch.random.set_rng_state(state)


def to_mace(checkpoint: Checkpoint, member: int = 0, dtype: str = "float64") -> Any:
    """One member as a `mace.modules.ScaleShiftMACE`, for LAMMPS and whatever else reads mace-torch.

    Its atomic energies are E0 plus the fitted shift of each element, so its total energies are ours.
    The attribute `aldata_checkpoint` goes into what `torch.save` writes: `aldata audit model FILE`
    finds the checkpoint by it, without loading the file.
    """
    from aldata.potentials.network import Network

    card = checkpoint.card
    network = Network.from_card(card, [int(z) for z in checkpoint.numbers], "float64")
    named = network.split(checkpoint.weights[member : member + 1].astype(np.float64))
    with contained():
        import torch

        torch.set_default_dtype(getattr(torch, dtype))
        energies = checkpoint.isolated_energies + named.pop("shift")[0].numpy()
        scale = float(named.pop("scale")[0])
        model = _module(network.architecture, network.numbers, energies, scale, card)
        own = model.state_dict()
        own.update({k: v[0].reshape(own[k].shape).to(own[k].dtype) for k, v in named.items()})
        model.load_state_dict(own)
    model.aldata_checkpoint = f"aldata-checkpoint:{checkpoint.digest}"
    return model


def _module(
    architecture: Architecture,
    numbers: list[int],
    energies: npt.NDArray[np.float64],
    scale: float,
    card: dict[str, Any],
) -> Any:
    import torch
    from e3nn import o3
    from mace import modules

    block = modules.RealAgnosticResidualInteractionBlock
    return modules.ScaleShiftMACE(
        r_max=architecture.cutoff,
        num_bessel=architecture.bessel,
        num_polynomial_cutoff=architecture.cutoff_power,
        max_ell=architecture.max_ell,
        interaction_cls=block,
        interaction_cls_first=block,
        num_interactions=architecture.interactions,
        num_elements=len(numbers),
        hidden_irreps=o3.Irreps(f"{architecture.channels}x0e"),
        MLP_irreps=o3.Irreps(f"{architecture.readout}x0e"),
        atomic_energies=energies,
        avg_num_neighbors=card["mean_degree"],
        atomic_numbers=numbers,
        correlation=architecture.correlation,
        gate=torch.nn.functional.silu,
        radial_MLP=architecture.radial_mlp,
        use_reduced_cg=False,
        atomic_inter_scale=scale,
        atomic_inter_shift=0.0,
    )
