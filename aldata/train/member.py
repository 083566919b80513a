"""One member of the ensemble, from labels to weights: the job that a worker process runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from aldata.artifacts.frames import Labels
from aldata.potentials.graphs import graphs_of, mean_degree
from aldata.potentials.last_layer import (
    Accuracy,
    information,
    parameters,
    rows,
    solve,
    whitened,
    written_back,
)
from aldata.potentials.network import Network
from aldata.train.loop import Flat, Progress, Sample, descend, errors, groups, samples_of
from aldata.train.settings import TrainSettings

Float = npt.NDArray[np.float64]


@dataclass(frozen=True)
class MemberJob:
    """Everything one member needs: labels of the training and the validation frames, elements with
    their E0 in eV, settings, and the member's own seed.
    """

    train: Labels
    valid: Labels
    numbers: list[int]
    isolated_energies: Float
    settings: TrainSettings
    seed: int


@dataclass(frozen=True)
class Member:
    """A trained member: flat weights (weight,), last-layer information (parameter, parameter), the
    neighbours per atom that its messages are divided by, and one record per validation.
    """

    weights: Flat
    information: Float
    mean_degree: float
    history: list[Progress]


def train_member(job: MemberJob) -> Member:
    """Train one member on one thread; equal jobs give equal members."""
    settings = job.settings
    with _one_thread():
        graphs = graphs_of(job.train, job.numbers, settings.architecture)
        train = samples_of(job.train, graphs, job.isolated_energies)
        looks = graphs_of(job.valid, job.numbers, settings.architecture)
        valid = samples_of(job.valid, looks, job.isolated_energies)
        degree = mean_degree(graphs)
        network = Network(settings.architecture, job.numbers, degree, settings.dtype)
        start = network.initial_weights(job.seed, *_scale_and_shift(train))
        found = descend(network, start, train, valid, settings, job.seed)
        exact = Network(settings.architecture, job.numbers, degree, "float64")
        weights, matrix = _last_layer(exact, found.weights, train, settings)
        history = found.history
        if settings.last_layer and valid:
            wanted = groups(valid, network, 8)
            last = {"step": history[-1]["step"] + 1, **errors(network, weights, wanted)}
            history = [*history, last]
    return Member(weights, matrix, degree, history)


@contextmanager
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _scale_and_shift(samples: list[Sample]) -> tuple[float, float]:
    """Root mean square force in eV/A (the energy's scale) and mean interaction energy per atom in eV."""
    forces = np.concatenate([sample.forces.ravel() for sample in samples])
    atoms = sum(len(sample.graph.species) for sample in samples)
    scale = float(np.sqrt((forces**2).mean()))
    return scale if scale > 1e-6 else 1.0, sum(sample.energy for sample in samples) / atoms


def _last_layer(
    network: Network, weights: Flat, train: list[Sample], settings: TrainSettings
) -> tuple[Flat, Float]:
    """Weights with the closed-form last layer (if asked for), and its information matrix."""
    accuracy = Accuracy(
        settings.energy_accuracy, settings.forces_accuracy, settings.stress_accuracy
    )
    with torch.no_grad():
        model = network.model(weights[None])
    start = parameters(model)

    def blocks() -> Iterator[tuple[Float, Float]]:
        for part in groups(train, network, 2):
            yield whitened(rows(network, model, part.batch), part.targets, part.batch, accuracy)

    matrix, right = information(blocks(), len(start))
    if not settings.last_layer:
        return weights, matrix
    best = solve(matrix, right, start, settings.ridge)
    return written_back(network, weights, best), matrix
