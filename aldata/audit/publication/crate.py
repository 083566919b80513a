"""A Workflow Run RO-Crate of a model: what ran, on what, and what came of it, with the files.

Profiles: Process, Workflow Run (0.5, https://www.researchobject.org/workflow-run-crate) and Workflow
RO-Crate; the workflow is dvc.yaml, every activity of a stage is a CreateAction. An .eln file is the same
in a zip with one folder at its top (https://github.com/TheELNConsortium/TheELNFileFormat).
"""

from __future__ import annotations

import json
import shutil
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aldata import digest
from aldata.artifacts.layout import SEED
from aldata.audit.graph import Graph, Recorded
from aldata.audit.models import activities_of
from aldata.audit.publication.parcels import NO_TIME, Parcel, write_parcel
from aldata.audit.sources import Sources
from aldata.audit.versions import WORKSPACE
from aldata.errors import InvalidInput

if TYPE_CHECKING:
    from rocrate.rocrate import ROCrate

    from aldata.ledger import Ledger

PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": "Process Run Crate",
    "https://w3id.org/ro/wfrun/workflow/0.5": "Workflow Run Crate",
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": "Workflow RO-Crate",
}
FORMATS = (
    "https://w3id.org/ro/crate/1.1",
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0",
)
"""What the metadata file itself conforms to."""

TERMS = "https://w3id.org/ro/terms/workflow-run/context"
"""Defines sha256, among others."""

METADATA = "ro-crate-metadata.json"
WORKFLOW = ["File", "SoftwareSourceCode", "ComputationalWorkflow"]
PLAN = ("dvc.yaml", "dvc.lock", "params.yaml")


def write_crate(
    target: Path,
    graph: Graph,
    records: Sequence[Recorded],
    ledger: Ledger | None,
    licence: str,
    published: str,
) -> list[Parcel]:
    """Write the crate of a lineage (root first): a folder, a .zip, or an .eln by the target's ending.

    ledger : for the raw files of calls; None to leave them out. licence, published : of the crate (a
    URL or a sentence; a date). Raises InvalidInput where `target` exists or rocrate is not installed.
    """
    if target.exists():
        raise InvalidInput("exists already", where=str(target), next_step="name another -o")
    with tempfile.TemporaryDirectory(prefix="aldata-crate-") as scratch:
        folder = Path(scratch) / target.stem
        source = Path(scratch) / "source"
        source.mkdir()
        parcels = [
            write_parcel(source / f"{record.generation}.zip", graph, record, ledger)
            for record in records
        ]
        plan = _plan(graph, records[-1], source)
        crate = _crate(graph, records, [*plan, *(parcel.path for parcel in parcels)])
        crate.root_dataset["license"] = _licence(crate, licence)
        crate.root_dataset["datePublished"] = published
        crate.write(folder)
        if target.suffix in (".zip", ".eln"):
            _zipped(folder, target, top=folder.name if target.suffix == ".eln" else "")
        else:
            shutil.copytree(folder, target)
    return parcels


def _plan(graph: Graph, record: Recorded, source: Path) -> list[Path]:
    """The pipeline, its lock and its parameters in the version that holds the model."""
    key = record.versions[0].key
    sources = Sources(graph.index.root)
    try:
        found = []
        for name in PLAN:
            path = graph.index.root / name
            if key == WORKSPACE:
                content = path.read_bytes() if path.exists() else None
            else:
                content = sources.read(f"{key}:./{name}")
            if content is not None:
                (source / name).write_bytes(content)
                found.append(source / name)
        return found
    finally:
        sources.close()


def _crate(graph: Graph, records: Sequence[Recorded], files: Sequence[Path]) -> ROCrate:
    try:
        from rocrate.rocrate import ROCrate
    except ModuleNotFoundError:
        raise InvalidInput(
            "rocrate is not installed",
            where="aldata export provenance",
            next_step="pip install rocrate  (or: pip install 'aldata[provenance]')",
        ) from None
    crate = ROCrate(version="1.1")
    last = records[-1]
    crate.name = f"Provenance of the potential {last.generation}"
    crate.description = (
        f"Every DFT call, data set, training and decision behind checkpoint {last.checkpoint} (aldata). "
        "One zip per generation holds its record and one folder per call with the raw files; sha256.txt "
        "in it lists every file."
    )
    crate.metadata.extra_contexts.append(TERMS)
    site = "https://dvc.org"
    crate.metadata["sdPublisher"] = _entity(crate, site, "Organization", name="DVC", url=site)
    crate.metadata["conformsTo"] = [{"@id": url} for url in FORMATS]
    crate.root_dataset["conformsTo"] = [
        _entity(crate, url, "CreativeWork", name=name, version=url.rsplit("/", 1)[1])
        for url, name in PROFILES.items()
    ]
    added = [_file(crate, path) for path in files]
    workflow = added[0]
    workflow["programmingLanguage"] = _entity(
        crate, "#dvc", "ComputerLanguage", name="DVC pipeline", url="https://dvc.org/doc"
    )
    workflow["version"] = last.versions[0].key
    crate.root_dataset["mainEntity"] = workflow
    _actions(crate, graph, records, workflow, [f for f in added if f.id.endswith(".zip")])
    return crate


def _entity(crate: ROCrate, identity: str, kind: str, **properties: Any) -> Any:
    """The contextual entity of this id; made where it is not there."""
    from rocrate.model.contextentity import ContextEntity

    found = crate.dereference(identity)
    if found is not None:
        return found
    return crate.add(ContextEntity(crate, identity, properties={"@type": kind, **properties}))


def _file(crate: ROCrate, path: Path) -> Any:
    kinds = {".zip": "application/zip", ".yaml": "application/yaml", ".lock": "application/yaml"}
    return crate.add_file(
        path,
        path.name,
        properties={
            "name": path.name,
            "sha256": digest.of_file(path),
            "contentSize": str(path.stat().st_size),
            "encodingFormat": kinds[path.suffix],
            **({"@type": WORKFLOW} if path.name == PLAN[0] else {}),
        },
    )


def _actions(
    crate: ROCrate, graph: Graph, records: Sequence[Recorded], workflow: Any, results: list[Any]
) -> None:
    """A CreateAction for every activity, and one for the run of the whole pipeline."""
    actions, times, inputs = [], [], []
    for record in records:
        for stage, activity in activities_of(graph, record).items():
            tool = _entity(
                crate,
                f"#stage-{stage}",
                "SoftwareApplication",
                name=f"aldata {stage}",
                softwareVersion=activity["packages"]["aldata"],
            )
            used = [_artifact(crate, path, value) for path, value in activity["used"].items()]
            made = [_artifact(crate, path, value) for path, value in activity["generated"].items()]
            actions.append(
                _entity(
                    crate,
                    f"#{record.generation}-{stage}",
                    "CreateAction",
                    name=f"{stage} of {record.generation}",
                    description=json.dumps(activity["parameters"], sort_keys=True),
                    instrument=tool,
                    object=_single(used),
                    result=_single(made),
                    startTime=activity["started"],
                    endTime=activity["ended"],
                )
            )
            times += [activity["started"], activity["ended"]]
            if record.generation == SEED:
                inputs = used
    if times:
        whole = _entity(
            crate,
            "#run",
            "CreateAction",
            name="dvc repro",
            description=f"every stage that the checkpoint of {records[-1].generation} rests on",
            instrument=workflow,
            object=_single(inputs),
            result=_single(results),
            startTime=min(times),
            endTime=max(times),
        )
        actions.append(whole)
    crate.root_dataset["mentions"] = actions


def _licence(crate: ROCrate, licence: str) -> Any:
    """A licence that has an address as an entity, another as the sentence that it is."""
    if not licence.startswith(("https://", "http://")):
        return licence
    return _entity(crate, licence, "CreativeWork", name=licence.rstrip("/"), url=licence)


def _single(entities: list[Any]) -> Any:
    """One value is no list, as the specification recommends."""
    return entities[0] if len(entities) == 1 else entities


def _artifact(crate: ROCrate, path: str, value: str) -> Any:
    """An artifact that the crate names by its digest, and does not hold as such."""
    return _entity(
        crate, f"#sha256-{value}", "CreativeWork", name=path, identifier=f"sha256:{value}"
    )


def _zipped(folder: Path, target: Path, top: str) -> None:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            name = (Path(top) / path.relative_to(folder)).as_posix()
            item = zipfile.ZipInfo(name, NO_TIME)
            item.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(item, path.read_bytes())
