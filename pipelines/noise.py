"""noise: which measured noise of the labels this generation is made with; as stated without one."""

from aldata import store
from aldata.artifacts.documents import Noise
from aldata.artifacts.layout import SEED
from aldata.noise import NoiseFile, noise_of, path_of_noise
from pipelines.stage import Stage, run


def resolve_noise(stage: Stage) -> None:
    """A measurement of `aldata noise` holds for the generations that are made after it."""
    stated = stage.read(Noise, of=SEED)
    path = path_of_noise(stated.theory_id)
    measured = None
    if path.exists():
        measured = store.read_document(path, NoiseFile)
        stage.note(path)
    stage.write(noise_of(stage.generation, stated, measured))


if __name__ == "__main__":
    run("noise", resolve_noise)
