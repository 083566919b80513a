"""calibrate: what the new committee's uncertainties are worth, and how the parent did before."""

import sys

from aldata.artifacts.checkpoints import Checkpoint
from aldata.artifacts.documents import Calibration, Noise
from aldata.artifacts.frames import Labels, Predictions
from aldata.artifacts.residuals import errors
from aldata.artifacts.schema import PURPOSES
from aldata.calibrate import (
    CalibrateSettings,
    calibrate,
    prequential,
    reliability,
    sigma_error,
)
from aldata.potentials import predict
from pipelines.history import History
from pipelines.stage import Stage, run


def calibrate_checkpoint(stage: Stage) -> None:
    """Fit on the probe frames of the whole lineage; score the parent on this generation's labels."""
    settings = stage.settings(CalibrateSettings)
    history = History(stage, stage.generation)
    noise = stage.read(Noise)
    before = stage.read(Calibration, of=stage.parent)
    probe, _ = history.with_roles(["probe"])
    # a pick that resembles a probe frame shares its role, but was not drawn at random
    probe = probe.take(probe.purpose == PURPOSES.index("probe"))
    predictions = predict(stage.read(Checkpoint), probe, stage.parameters.uncertainty)
    after = calibrate(predictions, probe, noise, settings, before, stage.generation)
    stage.write(after)
    points = reliability(predictions, probe, after, noise, settings.reliability_bins)
    stage.write_json("reliability", points)
    atoms = sigma_error(predictions, probe, after, noise, settings.scatter_points)
    stage.write_json("sigma_error", atoms)
    scores = prequential(
        stage.read(Predictions), stage.read(Labels), history.manifests[-1], before, noise
    )
    stage.write_json("prequential", {**scores, "probe_so_far": errors(predictions, probe)})
    if not after.forces.fitted:
        print(_inherited(after), file=sys.stderr)


def _inherited(calibration: Calibration) -> str:
    return (
        f"{calibration.generation}: nothing was calibrated: the factors of the parent are kept, and "
        f"there are no thresholds for exploration. Probe frames: {calibration.forces.frames}, needed: "
        f"{calibration.needed} (and four members of a committee)"
    )


if __name__ == "__main__":
    run("calibrate", calibrate_checkpoint)
