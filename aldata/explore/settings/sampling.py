"""What all samplers have, and what every frame must satisfy."""

from __future__ import annotations

from pydantic import Field

from aldata.records import Record


class Checks(Record):
    """What a frame must satisfy; a trajectory ends at the first one that does not."""

    min_distance_factor: float = Field(
        default=0.6, ge=0, le=1, description="closest contact allowed (1, sums of covalent radii)"
    )
    max_temperature_factor: float = Field(
        default=3.0,
        gt=1,
        description="kinetic temperature allowed after equilibration (1, thermostat temperatures); "
        "systems of very few atoms are allowed the fluctuations that their size implies",
    )
    max_force: float = Field(
        default=30.0, gt=0, description="largest force on an atom after equilibration (eV/A)"
    )
    max_energy_drift: float = Field(
        default=0.02,
        gt=0,
        description="change of the total energy allowed without a thermostat, ensemble nve (eV/atom)",
    )
    max_volume_factor: float = Field(
        default=1.5,
        gt=1,
        description="volume allowed under a barostat, over the start's; and the start's over it (1)",
    )
    fragment_factor: float | None = Field(
        default=1.5,
        gt=1,
        description="atoms farther apart are not joined (1, sums of covalent radii); a molecule "
        "may not break into more pieces than it began with. Null switches this off; it does not "
        "apply to periodic cells",
    )


class Sampling(Record):
    """What every sampler has."""

    share: float = Field(
        default=1.0, gt=0, description="its part of `explore.candidates`, relative to the others'"
    )
