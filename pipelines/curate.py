"""curate: the data set of this generation, as a delta on its parent's."""

from aldata.artifacts.frames import Labels
from aldata.curate import CurateSettings, curate
from pipelines.history import History
from pipelines.stage import Stage, run


def curate_labels(stage: Stage) -> None:
    """Every call gets its role for good: train, valid, probe or none."""
    history = History(stage, stage.parent)
    manifest = curate(
        stage.read(Labels),
        history.lineage,
        stage.settings(CurateSettings),
        stage.generation,
        history.manifests[-1].species,
        stage.random_seed,
    )
    stage.write(manifest)


if __name__ == "__main__":
    run("curate", curate_labels)
