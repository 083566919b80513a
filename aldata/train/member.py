"""One member of the ensemble, from labels to weights: the job that a worker process runs."""

from __future__ import annotations

import math
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
    prior_of,
    rows,
    solve,
    whitened,
    written_back,
)
from aldata.potentials.model import Model
from aldata.potentials.network import Network
from aldata.train.loop import Flat, Progress, Sample, descend, errors, groups, samples_of
from aldata.train.memory import keep_freed_memory
from aldata.train.settings import TrainSettings
from aldata.train.updating import Block, Start, updated

Float = npt.NDArray[np.float64]

ROWS_OF = 240
"""Atoms whose rows of the linear model are made together: some MB each, and more are no faster."""


@dataclass(frozen=True)
class MemberJob:
    """Everything one member needs: labels of the training and the validation frames, elements with
    their E0 in eV, settings, the member's own seed, and where it begins (None: anew).
    """

    train: Labels
    valid: Labels
    numbers: list[int]
    isolated_energies: Float
    settings: TrainSettings
    seed: int
    start: Start | None = None


@dataclass(frozen=True)
class Member:
    """A trained member: flat weights (weight,), last-layer information (parameter, parameter) and
    prior (parameter,), the neighbours per atom that its messages are divided by, and one record per
    validation.
    """

    weights: Flat
    information: Float
    prior: Float
    mean_degree: float
    history: list[Progress]


def train_member(job: MemberJob) -> Member:
    """Train one member on one thread; equal jobs give equal members."""
    keep_freed_memory()
    with _one_thread():
        if job.start is not None and job.settings.update == "last_layer":
            return _updated_member(job, job.start)
        return _trained_member(job)


def _trained_member(job: MemberJob) -> Member:
    settings = job.settings
    train, valid = _samples(job, job.train), _samples(job, job.valid)
    if job.start is None:
        degree = mean_degree([sample.graph for sample in train])
    else:
        degree = job.start.mean_degree
    network = Network(settings.architecture, job.numbers, degree, settings.dtype)
    if job.start is None:
        start = network.initial_weights(job.seed, *_scale_and_shift(train))
    else:
        start = np.array(job.start.weights)
        warm = settings.learning_rate * settings.warm_rate
        settings = settings.model_copy(update={"learning_rate": warm})
    found = descend(network, start, train, valid, settings, job.seed)
    exact = Network(settings.architecture, job.numbers, degree, "float64")
    weights, matrix = _last_layer(exact, found.weights, train, settings)
    history = found.history
    if settings.last_layer and valid:
        last = {"step": history[-1]["step"] + 1}
        history = [*history, last | errors(network, weights, groups(valid, network, 8))]
    return Member(weights, matrix, prior_of(matrix, settings.ridge), degree, history)


def _updated_member(job: MemberJob, start: Start) -> Member:
    """The parent's member with its last layer updated: no gradient step is taken."""
    degree, architecture = start.mean_degree, job.settings.architecture
    network = Network(architecture, job.numbers, degree, "float64")
    with torch.no_grad():
        model = network.model(start.weights[None])
    added, removed = (
        list(_blocks(network, model, _samples(job, labels), job.settings))
        for labels in (start.added, start.removed)
    )
    best, matrix = updated(parameters(model), start.information, start.prior, added, removed)
    weights = written_back(network, start.weights, best)
    record: Progress = {"step": 0.0}
    valid = _samples(job, job.valid)
    if valid:
        record |= errors(network, weights, groups(valid, network, 8))
    return Member(weights, matrix, start.prior, degree, [record])


def _samples(job: MemberJob, labels: Labels) -> list[Sample]:
    graphs = graphs_of(labels, job.numbers, job.settings.architecture)
    return samples_of(labels, graphs, job.isolated_energies)


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
    with torch.no_grad():
        model = network.model(weights[None])
    start = parameters(model)
    matrix, right = information(_blocks(network, model, train, settings), len(start))
    if not settings.last_layer:
        return weights, matrix
    best = solve(matrix, right, start, settings.ridge)
    return written_back(network, weights, best), matrix


def _blocks(
    network: Network, model: Model, samples: list[Sample], settings: TrainSettings
) -> Iterator[Block]:
    """Rows and targets of the linear model, about `ROWS_OF` atoms at a time."""
    accuracy = Accuracy(
        settings.energy_accuracy, settings.forces_accuracy, settings.stress_accuracy
    )
    atoms = sum(len(sample.graph.species) for sample in samples)
    size = math.ceil(len(samples) / max(1, round(atoms / ROWS_OF))) if samples else 1
    for part in groups(samples, network, size):
        yield whitened(rows(network, model, part.batch), part.targets, part.batch, accuracy)
