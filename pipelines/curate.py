"""curate: the data set of this generation, as a delta on its parent's."""

from aldata import store
from aldata.artifacts.frames import Labels
from aldata.curate import CurateSettings, RetractionFile, curate, expanded, path_of_retraction
from pipelines.history import History
from pipelines.stage import Stage, run


def curate_labels(stage: Stage) -> None:
    """Every call gets its role for good: train, valid, probe or none."""

    def retraction(name: str) -> RetractionFile:
        path = path_of_retraction(name)
        found = store.read_document(path, RetractionFile)
        stage.note(path)
        return found

    history = History(stage, stage.parent)
    labels, lineage = stage.read(Labels), history.lineage
    known = lineage.calls | set(labels.call_ids)
    manifest = curate(
        labels,
        lineage,
        expanded(stage.settings(CurateSettings), retraction, known),
        stage.generation,
        history.manifests[-1].species,
        stage.random_seed,
    )
    stage.write(manifest)


if __name__ == "__main__":
    run("curate", curate_labels)
