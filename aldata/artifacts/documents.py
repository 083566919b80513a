"""The small artifacts, as JSON documents: theory, noise, data set manifest, calibration."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from aldata import digest
from aldata.artifacts.entries import call_id as call_id  # found here as well
from aldata.artifacts.entries import calls_at, shortened, whole_manifest
from aldata.errors import InvalidInput
from aldata.records import Record

Role = Literal["train", "valid", "probe", "none"]


class Theory(Record):
    """A level of theory: the oracle, its settings, and what they resolve to (`record`).

    The record holds code, method, basis or cutoff, pseudopotential hashes, k-points, tolerances, the
    policy on versions and what it counts of them: by major version, a patch release does not forfeit
    the ledger. The exact versions stand with each attempt.
    """

    oracle: str
    settings: dict[str, Any]
    record: dict[str, Any]

    @property
    def id(self) -> str:
        """`theory_id`: sha256 of the record."""
        return digest.of_json(self.record)


class Noise(Record):
    """Numerical noise of labels at one level of theory: eV per frame, eV/A per force component."""

    theory_id: str
    sigma_energy: float = Field(ge=0)
    sigma_forces: float = Field(ge=0)
    source: str


class Entry(Record):
    """One call in a data set. `lineage` names the trajectory it came from."""

    call: str
    configuration: str
    result: str
    status: str
    role: Role
    purpose: str
    lineage: str
    duplicate_of: str | None = None


class Parent(Record):
    """The parent's data set, by name and digest: the link of the hash chain."""

    generation: str
    manifest: str


class Retraction(Record):
    """A call that must not be used any more, and why."""

    call: str
    reason: str


class Manifest(Record):
    """A data set as a delta on its parent: the calls of one generation and their roles for good.

    retracted : calls that are not used from here on. restored : such calls that are used again.
    """

    generation: str
    parent: Parent | None
    theory_id: str
    species: list[int]
    entries: list[Entry]
    retracted: list[Retraction] = []
    restored: list[Retraction] = []

    def content(self) -> dict[str, Any]:
        """As plain values; without `restored` where it is empty, as manifests were before it."""
        values = super().content()
        return values if self.restored else {k: v for k, v in values.items() if k != "restored"}

    def stored(self) -> dict[str, Any]:
        """The content, its entries in short; its digest is that of the entries spelled out."""
        content = self.content()
        short = shortened(content["entries"], calls_at(self.theory_id))
        return content if short is None else {**content, "entries": short}

    @model_validator(mode="before")
    @classmethod
    def _whole(cls, content: Any) -> Any:
        return whole_manifest(content)


class Factor(Record):
    """A calibration factor alpha for one quantity: sigma_calibrated = alpha * sigma.

    `mean_z2` is the mean squared standardised error before calibration; `frames` how many probe
    frames it rests on; `fitted` is False when these were too few and alpha is inherited.
    """

    alpha: float = Field(gt=0)
    mean_z2: float | None
    frames: int
    fitted: bool


class Thresholds(Record):
    """Where an exploration with a model is at home, and where it must turn back.

    Both are calibrated uncertainties of a whole frame, the largest of its atoms' force vectors in eV/A:
    `sigma_forces` of `aldata query`. Below `sigma_lo` a frame is as well known as those of the pool;
    between the two it is worth asking about; above `sigma_hi` the model is lost. `level` is the
    probability that a new frame of the same pool lies below `sigma_lo`, which is all that so few
    `frames` of the probe can promise.
    """

    sigma_lo: float = Field(gt=0)
    sigma_hi: float = Field(gt=0)
    level: float = Field(gt=0, lt=1)
    frames: int


class Calibration(Record):
    """What one checkpoint's uncertainties are worth, fitted on probe frames it has never seen.

    `thresholds` is None where nothing was fitted; `needed` is how many probe frames a fit asks for.
    """

    generation: str
    checkpoint: str
    energy: Factor
    forces: Factor
    thresholds: Thresholds | None = None
    needed: int = 0

    def exploration(self) -> Thresholds:
        """The thresholds; raises InvalidInput, with what is missing, where there are none yet."""
        if self.thresholds is not None:
            return self.thresholds
        raise InvalidInput(
            "there are no thresholds for exploration: nothing was calibrated on its "
            f"{self.forces.frames} probe frames",
            where=f"calibration of {self.generation}",
            expected=f"at least {self.needed} probe frames (calibrate.minimum_probe) and, of a "
            "committee, four members",
            next_step="run without thresholds until then, or raise acquire.probe or acquire.batch",
        )
