"""The ways to describe an environment, by name."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from aldata.artifacts.frames import Configurations
from aldata.describe.acsf import acsf
from aldata.describe.settings import DescribeSettings
from aldata.describe.soap import soap

Vectors = Callable[[Configurations, DescribeSettings, list[int]], npt.NDArray[np.float64]]

METHODS: dict[str, Vectors] = {"soap": soap, "acsf": acsf}
"""Each takes (configurations, settings, species) and returns vectors (atom, feature)."""

OF_A_MODEL = "mace"
"""The method whose vectors are the invariant features of the parent's model (`potentials`)."""

WITHOUT_A_MODEL = "soap"
"""What is done instead before there is a model."""
