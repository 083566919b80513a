"""Settings of the exploration: a module per sampler, and `plan` for the list of them."""

from aldata.explore.settings.displacing import Displacements, Swaps, Vacancies, VolumeScan
from aldata.explore.settings.dynamics import BiasedDynamics, Dynamics, MolecularDynamics
from aldata.explore.settings.files import FOLDER
from aldata.explore.settings.following import Followed, Threshold
from aldata.explore.settings.importing import Imported
from aldata.explore.settings.paths import EndPoint, ReactionPath
from aldata.explore.settings.plan import OF_SAMPLERS, ExploreSettings, Sampler
from aldata.explore.settings.quanta import PathIntegral
from aldata.explore.settings.sampling import Checks

__all__ = [
    "FOLDER",
    "OF_SAMPLERS",
    "BiasedDynamics",
    "Checks",
    "Displacements",
    "Dynamics",
    "EndPoint",
    "ExploreSettings",
    "Followed",
    "Imported",
    "MolecularDynamics",
    "PathIntegral",
    "ReactionPath",
    "Sampler",
    "Swaps",
    "Threshold",
    "Vacancies",
    "VolumeScan",
]
