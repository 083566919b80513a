"""Noise: how far an oracle's numbers scatter where they should not, measured by asking again."""

from aldata.noise.estimates import FEWEST, measure
from aldata.noise.measurement import (
    FOLDER,
    Ended,
    Estimate,
    FrameNoise,
    Measurement,
    NoiseFile,
    noise_of,
    path_of_noise,
)
from aldata.noise.moves import Moves, moves

__all__ = [
    "FEWEST",
    "FOLDER",
    "Ended",
    "Estimate",
    "FrameNoise",
    "Measurement",
    "Moves",
    "NoiseFile",
    "measure",
    "moves",
    "noise_of",
    "path_of_noise",
]
