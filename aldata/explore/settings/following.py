"""What all settings of trajectories have: how long, what is kept of them, and what watches them."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from aldata.explore.settings.sampling import Sampling

Threshold = Literal["calibration"] | Annotated[float, Field(gt=0)] | None


class Followed(Sampling):
    """Steps of which the first are dropped, and the model's sigma watched during the others."""

    steps: int = Field(default=500, ge=1, description="steps of a trajectory")
    interval: int = Field(default=10, ge=1, description="least steps between two candidates")
    equilibration: int = Field(default=50, ge=0, description="steps dropped at the start")
    watch_every: int = Field(
        default=5, ge=0, description="steps between two looks at the model's sigma; 0: never"
    )
    sigma_hi: Threshold = Field(
        default="calibration",
        description="a trajectory above it ends and goes back to its last frame below it (eV/A): "
        "calibration (the parent's threshold, none until there is one), a number, or null",
    )
    sigma_lo: Threshold = Field(
        default=None,
        description="frames below it are no candidates: the model knows them (eV/A); as above. With "
        "null all are, which keeps the probe a sample of all that the dynamics visits",
    )

    @model_validator(mode="after")
    def _keeps_something(self) -> Self:
        if self.steps < self.equilibration + self.interval:
            raise ValueError(
                f"steps ({self.steps}) must be at least equilibration + interval "
                f"({self.equilibration + self.interval}), or nothing is kept"
            )
        low, high = self.sigma_lo, self.sigma_hi
        if isinstance(low, float) and isinstance(high, float) and low >= high:
            raise ValueError(f"sigma_lo ({low:g}) must be below sigma_hi ({high:g})")
        return self
