"""The training of one potential: gradient steps, validation, early stop, closed-form last layer."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from aldata.artifacts.frames import Labels
from aldata.errors import AldataError
from aldata.potentials.derivatives import Results, evaluate
from aldata.potentials.graphs import Batch, Graph, collate
from aldata.potentials.last_layer import Targets
from aldata.potentials.network import Network
from aldata.train.settings import TrainSettings

Float = npt.NDArray[np.float64]
Flat = npt.NDArray[np.float32]
Progress = dict[str, float]
"""One look at a training: step, mean loss since the last look, learning rate, errors on validation."""


@dataclass(frozen=True)
class Sample:
    """One labelled frame: graph, interaction energy in eV (E0 subtracted in float64), forces (n, 3)
    in eV/A, stress (6,) in eV/A^3 or NaN.
    """

    graph: Graph
    energy: float
    forces: Float
    stress: Float


@dataclass(frozen=True)
class Group:
    """A batch and what it should give, as tensors; `stressed` marks the frames that have a stress."""

    batch: Batch
    energy: torch.Tensor
    forces: torch.Tensor
    stress: torch.Tensor
    stressed: torch.Tensor

    @property
    def has_stress(self) -> bool:
        """Whether any frame has a stress."""
        return bool(self.stressed.any())

    @property
    def targets(self) -> Targets:
        """The same as float64 arrays, for the last layer."""
        stress = self.stress.numpy().astype(np.float64)
        return Targets(
            energy=self.energy.numpy().astype(np.float64),
            forces=self.forces.numpy().astype(np.float64),
            stress=np.where(self.stressed.numpy()[:, None], stress, np.nan),
        )


def samples_of(labels: Labels, graphs: Sequence[Graph], isolated: Float) -> list[Sample]:
    """Samples from labels and their graphs; isolated: E0 in eV of the model's elements."""
    found = []
    for frame, graph in enumerate(graphs):
        stress = labels.stress[frame]
        known = graph.volume > 0 and bool(np.isfinite(stress).all())
        found.append(
            Sample(
                graph=graph,
                energy=float(labels.energy[frame] - isolated[graph.species].sum()),
                forces=labels.forces[labels.atoms_of(frame)],
                stress=stress if known else np.full(6, np.nan),
            )
        )
    return found


def group(samples: Sequence[Sample], network: Network) -> Group:
    """Put samples side by side, in the network's precision."""
    dtype = network.dtype
    stress = np.stack([sample.stress for sample in samples])
    known = np.asarray(np.isfinite(stress).all(axis=1))
    return Group(
        batch=collate([sample.graph for sample in samples], len(network.numbers), dtype),
        energy=torch.tensor([sample.energy for sample in samples], dtype=dtype),
        forces=torch.from_numpy(np.concatenate([s.forces for s in samples])).to(dtype),
        stress=torch.from_numpy(np.where(known[:, None], stress, 0.0)).to(dtype),
        stressed=torch.from_numpy(known),
    )


def groups(samples: Sequence[Sample], network: Network, size: int) -> list[Group]:
    """All samples in order, `size` at a time."""
    return [group(samples[start : start + size], network) for start in range(0, len(samples), size)]


def loss_of(results: Results, wanted: Group, settings: TrainSettings) -> torch.Tensor:
    """Weighted mean squared errors of energy per atom, force components and stress components."""
    energy = (results.energy[0] - wanted.energy) / wanted.batch.sizes
    loss = settings.energy_weight * (energy**2).mean()
    loss = loss + settings.forces_weight * ((results.forces[0] - wanted.forces) ** 2).mean()
    if results.stress is not None:
        error = ((results.stress[0] - wanted.stress) ** 2).mean(1) * wanted.stressed
        loss = loss + settings.stress_weight * error.sum() / wanted.stressed.sum()
    return loss


def rate(step: int, settings: TrainSettings) -> float:
    """Learning rate at a step: linear warm-up, then a cosine down to `final_rate`."""
    start = math.ceil(settings.warm_up * settings.steps)
    if step < start:
        return settings.learning_rate * (step + 1) / start
    done = (step - start) / max(settings.steps - start, 1)
    low = settings.final_rate
    return settings.learning_rate * (low + (1 - low) * 0.5 * (1 + math.cos(math.pi * done)))


def shuffled(size: int, batch_size: int, generator: np.random.Generator) -> Iterator[list[int]]:
    """Endless batches: every epoch visits each index once, in a new order."""
    while True:
        order = generator.permutation(size)
        for start in range(0, size, batch_size):
            yield order[start : start + batch_size].tolist()


def errors(network: Network, flat: npt.NDArray[Any], wanted: Sequence[Group]) -> Progress:
    """RMSE of the energy per atom in eV, and of the force components in eV/A."""
    with torch.no_grad():
        model = network.model(flat[None])
    energy, forces, frames, components = 0.0, 0.0, 0, 0
    for part in wanted:
        results = evaluate(network, model, part.batch)
        difference = (results.energy[0] - part.energy).double() / part.batch.sizes
        energy += float((difference**2).sum())
        forces += float(((results.forces[0] - part.forces).double() ** 2).sum())
        frames += part.batch.frames
        components += part.forces.numel()
    return {
        "valid_energy_rmse": (energy / frames) ** 0.5,
        "valid_forces_rmse": (forces / components) ** 0.5,
    }


class Adam:
    """Adam (Kingma and Ba, arXiv 1412.6980, algorithm 1) on one tensor, with clipped gradients.

    The same update as `torch.optim.Adam` and `clip_grad_norm_` (tested against them). These import
    torch._dynamo on first use, which takes longer than a tenth of a short training.
    """

    BETA = (0.9, 0.999)
    EPSILON = 1e-8

    def __init__(self, values: torch.Tensor, clip: float) -> None:
        self.values, self.clip = values, clip
        self._mean, self._square = torch.zeros_like(values), torch.zeros_like(values)
        self._steps = 0

    @torch.no_grad()
    def step(self, gradient: torch.Tensor, learning_rate: float) -> None:
        """Move the values in place, against the gradient."""
        self._steps += 1
        gradient = gradient * (self.clip / (gradient.norm() + 1e-6)).clamp(max=1.0)
        first, second = self.BETA
        self._mean.lerp_(gradient, 1 - first)
        self._square.mul_(second).addcmul_(gradient, gradient, value=1 - second)
        spread = (self._square / (1 - second**self._steps)).sqrt_().add_(self.EPSILON)
        self.values.addcdiv_(self._mean, spread, value=-learning_rate / (1 - first**self._steps))


class Descent:
    """Adam on the flat weights of one potential; scale and shifts stay fixed."""

    def __init__(self, network: Network, start: Flat, settings: TrainSettings) -> None:
        self.network, self.settings = network, settings
        fixed = 1 + len(network.numbers)
        values = torch.from_numpy(start).to(network.dtype)
        self._fixed = values[-fixed:].clone()
        self._free = values[:-fixed].clone().requires_grad_(True)
        self._adam = Adam(self._free, settings.clip)

    def step(self, wanted: Group, learning_rate: float) -> float:
        """One gradient step; returns the loss before it."""
        model = self.network.model(torch.cat([self._free, self._fixed])[None])
        stress = wanted.has_stress and self.settings.stress_weight > 0
        results = evaluate(self.network, model, wanted.batch, stress=stress, training=True)
        loss = loss_of(results, wanted, self.settings)
        (gradient,) = torch.autograd.grad([loss], [self._free])
        self._adam.step(gradient, learning_rate)
        return float(loss.detach())

    @property
    def weights(self) -> Flat:
        """A copy of the weights."""
        joined = torch.cat([self._free.detach(), self._fixed])
        return joined.numpy().astype(np.float32)


@dataclass(frozen=True)
class Descended:
    """The best weights of a descent, and one record per validation."""

    weights: Flat
    history: list[Progress]


def descend(
    network: Network,
    start: Flat,
    train: Sequence[Sample],
    valid: Sequence[Sample],
    settings: TrainSettings,
    seed: int,
) -> Descended:
    """Gradient descent from `start`; keeps the weights with the smallest force error on `valid`.

    Without validation frames it takes all its steps and keeps the last weights. It stops early when
    a share `patience` of the steps brought no better force error. Raises AldataError if it diverges.
    """
    looks = groups(valid, network, 8)
    batches = shuffled(len(train), settings.batch_size, np.random.default_rng([seed, 1]))
    descent = Descent(network, start, settings)
    best, lowest, waited = start, math.inf, 0
    history: list[Progress] = []
    total, since = 0.0, 0
    for step in range(settings.steps):
        chosen = [train[index] for index in next(batches)]
        now = rate(step, settings)
        total += descent.step(group(chosen, network), now)
        since += 1
        if since < settings.validate_every and step + 1 < settings.steps:
            continue
        record = {"step": float(step + 1), "loss": total / since, "learning_rate": now}
        total, since, waited = 0.0, 0, waited + 1
        record |= errors(network, descent.weights, looks) if looks else {}
        history.append(record)
        if record.get("valid_forces_rmse", -math.inf) < lowest:
            best, waited = descent.weights, 0
            lowest = record.get("valid_forces_rmse", math.inf)
        if waited * settings.validate_every >= settings.patience * settings.steps:
            break
    if not np.isfinite(best).all():
        raise AldataError(
            "training diverged: weights are not finite",
            where=f"train, step {history[-1]['step']:.0f}",
            next_step="look at the labels for outliers, or lower train.learning_rate",
        )
    return Descended(best, history)
