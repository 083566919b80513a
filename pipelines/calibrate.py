"""calibrate: what the new committee's uncertainties are worth, and how the parent did before."""

from aldata.artifacts.checkpoints import Checkpoint
from aldata.artifacts.documents import Calibration, Noise
from aldata.artifacts.frames import Labels, Predictions
from aldata.calibrate import CalibrateSettings, calibrate, prequential, reliability
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
    predictions = predict(stage.read(Checkpoint), probe, stage.parameters.uncertainty)
    after = calibrate(predictions, probe, noise, settings, before, stage.generation)
    stage.write(after)
    points = reliability(predictions, probe, after, noise, settings.reliability_bins)
    stage.write_json("reliability", points)
    scores = prequential(
        stage.read(Predictions), stage.read(Labels), history.manifests[-1], before, noise
    )
    stage.write_json("prequential", scores)


if __name__ == "__main__":
    run("calibrate", calibrate_checkpoint)
