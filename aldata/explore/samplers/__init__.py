"""The ways of looking by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aldata.explore.samplers.biased_dynamics import biased_dynamics, check_belief
from aldata.explore.samplers.displacements import check_starts, displacements
from aldata.explore.samplers.finding import Context, Finding, Sampler
from aldata.explore.samplers.imported import check_file, imported
from aldata.explore.samplers.molecular_dynamics import check_volume, molecular_dynamics
from aldata.explore.samplers.path_integral import check_ipi, path_integral
from aldata.explore.samplers.reaction_path import check_ends, reaction_path

SAMPLERS: dict[str, Sampler[Any]] = {
    "molecular_dynamics": molecular_dynamics,
    "biased_dynamics": biased_dynamics,
    "displacements": displacements,
    "reaction_path": reaction_path,
    "path_integral": path_integral,
    "imported": imported,
}
"""Every sampler. To add one: its settings in `explore.settings.Sampler`, and a function here."""

CHECKS: dict[str, Callable[[Any, Context], object]] = {
    "displacements": check_starts,
    "reaction_path": check_ends,
    "path_integral": check_ipi,
    "imported": check_file,
    "molecular_dynamics": check_volume,
    "biased_dynamics": check_belief,
}
"""What can be known to be wrong before any sampler works, by sampler: each raises one clear error."""

WITHOUT_MODEL = ("displacements", "imported")
"""Samplers that look without a model, so that they serve the first generation too."""

__all__ = ["CHECKS", "SAMPLERS", "WITHOUT_MODEL", "Context", "Finding", "Sampler"]
