"""The ways of looking by name."""

from __future__ import annotations

from typing import Any

from aldata.explore.samplers.displacements import displacements
from aldata.explore.samplers.finding import Context, Finding, Sampler
from aldata.explore.samplers.imported import imported
from aldata.explore.samplers.molecular_dynamics import molecular_dynamics

SAMPLERS: dict[str, Sampler[Any]] = {
    "molecular_dynamics": molecular_dynamics,
    "displacements": displacements,
    "imported": imported,
}
"""Every sampler. To add one: its settings in `explore.settings.Sampler`, and a function here."""

WITHOUT_MODEL = ("displacements", "imported")
"""Samplers that look without a model, so that they serve the first generation too."""

__all__ = ["SAMPLERS", "WITHOUT_MODEL", "Context", "Finding", "Sampler"]
