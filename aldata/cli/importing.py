"""`aldata import FILE`: data of others into the project, under stated units and level of theory."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from aldata import exchange, params, store
from aldata.artifacts import layout
from aldata.artifacts.documents import Manifest, Theory
from aldata.artifacts.frames import Configurations, Labels
from aldata.artifacts.schema import PURPOSES
from aldata.cli.destinations import Destination, destination_of
from aldata.cli.project import Project
from aldata.errors import InvalidInput, InvalidParameters
from aldata.label import resolve

UNITS = {
    "length": ("--length-unit", "of positions and cell vectors, e.g. angstrom, bohr"),
    "energy": ("--energy-unit", "of energies, e.g. eV, Hartree, kcal/mol"),
    "force": ("--force-unit", "of forces, e.g. eV/angstrom, Hartree/bohr"),
    "stress": ("--stress-unit", "of stresses, e.g. GPa, kB, eV/angstrom^3; eV for virials"),
}
"""Conventions that are units: the option and what it is about."""
BLOCK = 1000
"""Frames that are written at a time."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `aldata import`."""
    parser.add_argument("file", type=Path, metavar="FILE", help="the file to take in")
    parser.add_argument(
        "--as",
        dest="target",
        required=True,
        metavar="WHAT",
        help="labels (to train on), test:NAME (a test set), or structures (to start from)",
    )
    parser.add_argument("--format", choices=list(exchange.FORMATS), help="default: by the ending")
    parser.add_argument(
        "--units",
        choices=list(exchange.PRESETS),
        help="all conventions at once: those of ASE, of VASP's OUTCAR, or atomic units",
    )
    for name, (option, text) in UNITS.items():
        parser.add_argument(option, dest=name, metavar="UNIT", help=f"unit {text}")
    parser.add_argument(
        "--stress-sign",
        choices=["tension", "compression"],
        help="which of the two is positive: tension (ASE, dE/dstrain) or compression (VASP, virials)",
    )
    parser.add_argument("--voigt", metavar="ORDER", help='of six components: "xx yy zz yz xz xy"')
    parser.add_argument(
        "--spin-is", dest="spin_is", choices=["unpaired", "multiplicity"], help="what `spin` counts"
    )
    parser.add_argument(
        "--theory",
        metavar="TEXT",
        help="level of theory: a description, a theory.json, or `same` as this project's",
    )
    parser.add_argument("--charge", type=int, help="total charge of frames that state none")
    parser.add_argument("--spin", type=int, help="unpaired electrons of frames that state none")
    for quantity in ("energy", "forces", "stress"):
        parser.add_argument(
            f"--{quantity}-key", metavar="NAME", help=f"name of the {quantity} there"
        )
    parser.add_argument(
        "--accept-changed-ids",
        action="store_true",
        help="take frames that differ from the id they carry as new configurations",
    )
    parser.add_argument(
        "--mix-theory", action="store_true", help="train on labels of another level of theory"
    )
    parser.add_argument(
        "--replace", action="store_true", help="put this in the place of what params.yaml names"
    )


def run(options: argparse.Namespace) -> int:
    """Read, check against the project, write, and name it in params.yaml: all of it or nothing."""
    project = Project.here()
    parameters = params.load(project.params)
    target = destination_of(options.target, parameters, options.replace)
    request = _request(options, parameters, project, target.labelled)
    with _aside(project) as aside:
        imported = _taken_in(options.file, request, aside / "frames.zarr")
        values, notes = _mixture(imported, parameters, project, target, options.mix_theory)
        notes = [*imported.notes, *notes, *_known(imported.frames, parameters, project, target)]
        path = target.path(options.file.stem, imported.frames.digest)
        values[target.key] = str(path)
        params.with_values(parameters, values)
        _put(imported, aside, project.root / path)
        params.set_values(project.params, values)
        _report(imported, path, values, notes)
    return 0


@contextmanager
def _aside(project: Project) -> Iterator[Path]:
    """A folder where an import grows: after a kill its place holds the whole file or none."""
    path = project.root / ".aldata" / "imports" / "import"
    try:
        with store.scratch(path) as folder:
            yield folder
    except OSError as problem:
        raise InvalidParameters(
            f"cannot be written: {problem.strerror or problem}",
            where=str(problem.filename or path),
            next_step="free disk space or make the folder writable",
        ) from None


def _taken_in(file: Path, request: exchange.Request, path: Path) -> exchange.Imported:
    """The file's frames as a store at `path`, block by block: they are mapped, not in memory."""
    reading = exchange.Reading(file, request)
    with store.writer(path, reading.kind, {}) as out:
        for block in reading.blocks():
            out.append(block)
        out.attributes |= reading.attributes
    frames = store.read(path, reading.kind, check=False)
    return exchange.Imported(frames, reading.statement, reading.source, reading.notes)


def _request(
    options: argparse.Namespace, parameters: params.Parameters, project: Project, labelled: bool
) -> exchange.Request:
    said = {name: getattr(options, name) for name in (*UNITS, "stress_sign", "voigt")}
    said["spin"] = options.spin_is
    conventions = exchange.Conventions.checked(
        {name: text for name, text in said.items() if text}, "the command line"
    )
    if options.units:
        conventions = conventions.merged(exchange.PRESETS[options.units])
    keys = {q: getattr(options, f"{q}_key") for q in ("energy", "forces", "stress")}
    seed = parameters.seed
    return exchange.Request(
        format=options.format,
        conventions=conventions,
        theory=_theory(options.theory, parameters, project),
        keys={quantity: key for quantity, key in keys.items() if key},
        charge=seed.charge if options.charge is None else options.charge,
        spin=seed.spin if options.spin is None else options.spin,
        labelled=labelled,
        accept_changed_ids=options.accept_changed_ids,
    )


def _theory(text: str | None, parameters: params.Parameters, project: Project) -> Theory | None:
    if text is None:
        return None
    if text == exchange.SAME:
        return _theory_of(project, parameters)
    if text.endswith(".json"):
        return store.read_document(Path(text), Theory)
    return exchange.stated_theory(text)


def _theory_of(project: Project, parameters: params.Parameters) -> Theory:
    """The project's level of theory: pinned by the seed, or what its oracle stands for."""
    pinned = project.root / layout.path_of(layout.SEED, "theory")
    if pinned.exists():
        return store.read_document(pinned, Theory)
    return resolve(parameters.oracle.name, parameters.oracle.settings)


def _mixture(
    imported: exchange.Imported,
    parameters: params.Parameters,
    project: Project,
    target: Destination,
    allowed: bool,
) -> tuple[dict[str, str], list[str]]:
    """What params.yaml must say about the level of theory of labels to train on.

    Raises InvalidInput for another level than the project's, unless it is allowed by name.
    """
    if not target.trained:
        return {}, []
    theory = _theory_of(project, parameters)
    if imported.statement.theory_id == theory.id:
        was_mixed = parameters.seed.labels_theory != exchange.SAME
        return {"seed.labels_theory": exchange.SAME} if was_mixed else {}, []
    stated = imported.statement.theory
    identity = str(imported.statement.theory_id)
    name = exchange.theory_name(stated) if stated is not None else identity[:16]
    if not allowed:
        raise InvalidInput(
            f"its labels are at '{name}', the project's at '{exchange.theory_name(theory)}'",
            where="--as labels",
            expected="one level of theory: energies of two do not lie on one surface",
            next_step="--theory same (if it is the project's), --mix-theory (to train on both), or "
            "--as test:NAME",
        )
    note = "trains on two levels of theory: energies of two do not lie on one surface"
    return {"seed.labels_theory": name}, [note]


def _known(
    frames: Configurations, parameters: params.Parameters, project: Project, target: Destination
) -> list[str]:
    """How many frames the project has already. Raises InvalidInput where a test would be learned."""
    ids = set(frames.ids)
    notes = _set_apart(frames) if target.trained else []
    for generation in (layout.SEED, *parameters.generations):
        path = project.root / layout.path_of(generation, "dataset")
        if not path.exists():
            continue
        entries = store.read_document(path, Manifest).entries
        found = ids & {entry.configuration for entry in entries}
        if found:
            notes.append(f"{len(found)} of {len(ids)} frames are labels of {generation} already")
    if target.labelled:
        for setting, name in _others(parameters, target):
            _refuse_shared(ids, frames, setting, name, parameters, project)
    return notes


def _set_apart(frames: Configurations) -> list[str]:
    """Frames that nothing learned from where they come from, and that will be learned here."""
    if not isinstance(frames, Labels):
        return []
    found = {p: int((frames.purpose == PURPOSES.index(p)).sum()) for p in ("probe", "test")}
    return [
        f"{count} frames were {purpose} frames where they come from, and are trained on here"
        for purpose, count in found.items()
        if count
    ]


def _others(parameters: params.Parameters, target: Destination) -> Iterable[tuple[str, str]]:
    if target.trained:
        return [(f"test set {n}", p) for n, p in parameters.evaluate.test_sets.items()]
    return [("seed.labels", parameters.seed.labels)] if parameters.seed.labels else []


def _refuse_shared(
    ids: set[str],
    frames: Configurations,
    setting: str,
    name: str,
    parameters: params.Parameters,
    project: Project,
) -> None:
    seed = parameters.seed
    theirs = exchange.given(project.root / name, seed.charge, seed.spin, store.read)
    shared = ids & set(theirs.ids)
    if shared:
        rows = [row for row, identity in enumerate(frames.ids) if identity in shared]
        raise InvalidInput(
            f"{len(shared)} of {len(ids)} frames are in {setting} as well (first: frame {rows[0]})",
            where=name,
            expected="test frames that nothing learns from",
            next_step="take them out of one of the two",
        )


def _put(imported: exchange.Imported, aside: Path, path: Path) -> None:
    """Complete the file aside and rename it: it is there whole or not at all."""
    if path.exists():
        return  # its name holds the digest of its content: an earlier import was interrupted
    source = aside / "frames.zarr"
    if path.suffix != source.suffix:
        source = aside / path.name
        statement = exchange.own_statement(None, None, {"imported": imported.source})
        frames = (f for b in imported.frames.blocks(BLOCK) for f in exchange.frames_of(b))
        exchange.write(source, statement, frames)
    path.parent.mkdir(exist_ok=True)
    source.rename(path)


def _report(
    imported: exchange.Imported, path: Path, values: dict[str, str], notes: list[str]
) -> None:
    frames = imported.frames
    print(f"{len(frames)} frames, {len(frames.numbers)} atoms -> {path}")
    for note in notes:
        print(f"  note: {note}")
    for name, value in values.items():
        print(f"  params.yaml: {name}: {value}")
    print(f"Next: git add {path} params.yaml  (or dvc add {path}, when it is large), dvc repro")
