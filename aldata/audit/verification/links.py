"""The documents of a version: each has the digest that its activity states, and names the right others."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aldata import digest
from aldata.artifacts.documents import Calibration, Manifest
from aldata.artifacts.entries import whole_manifest
from aldata.artifacts.layout import SEED
from aldata.audit.retractions import FOLDER, REVOKED
from aldata.audit.sources import NOISE, Document, Sources, expected
from aldata.audit.verification.findings import Findings
from aldata.audit.versions import Version
from aldata.curate import RetractionFile, Revocation, members, verify_chain
from aldata.errors import AldataError, DamagedArtifact
from aldata.provenance import Activity

Parsed = dict[str, dict[str, Any]]
"""Contents of the documents of a version, by generation and name."""


def documents_of(sources: Sources, version: Version, findings: Findings) -> Parsed:
    """Every document of a version; what is missing or cannot be read is a finding."""
    parsed: Parsed = {}
    for generation, documents in sources.records(version, {}).items():
        if generation == NOISE:
            continue
        parsed[generation] = {}
        for name in expected(generation):
            where = f"{generation}/{name}.json of {version.title}"
            found = _parsed(sources, name, documents.get(name), where, findings)
            if found is not None:
                parsed[generation][name] = found
    return parsed


def _parsed(
    sources: Sources, name: str, document: Document | None, where: str, findings: Findings
) -> Any:
    content = None if document is None else sources.bytes_of(document)
    if content is None:
        findings.lacks(where)
        return None
    findings.checked["documents"] += 1
    try:
        parsed = json.loads(content)
        return whole_manifest(parsed) if name == "dataset" else parsed
    except (ValueError, AttributeError, KeyError) as problem:
        findings.breaks(where, f"cannot be read ({problem})")
        return None


def check_copies(sources: Sources, generation: str, findings: Findings) -> None:
    """In the workspace: the copies on record are the artifacts, byte for byte."""
    folder = sources.root / "generations" / generation
    for name in expected(generation):
        own, copy = folder / f"{name}.json", folder / "record" / f"{name}.json"
        if not own.is_file() or not copy.is_file():
            continue  # a missing one is found by dvc.lock
        findings.checked["copies on record"] += 1
        if own.read_bytes() != copy.read_bytes():
            findings.breaks(
                f"generations/{generation}/{name}.json",
                f"differs from its copy on record, generations/{generation}/record/{name}.json",
            )


def check_links(parsed: Parsed, version: Version, findings: Findings) -> dict[str, str]:
    """Digests of every artifact of a version by path, as its own activity states them.

    Documents are hashed anew and compared with what the activity generated; whatever an activity used
    must be what another one generated.
    """
    activities = _activities(parsed, version, findings)
    made = {path: d for activity in activities for path, d in activity.generated.items()}
    for generation, documents in parsed.items():
        for name, content in documents.items():
            path = f"generations/{generation}/{name}.json"
            if path in made:
                findings.checked["digests"] += 1
                found = digest.of_json(content)
                if found != made[path]:
                    findings.breaks(
                        f"{path} of {version.title}",
                        f"its digest is {found}, but the activity that wrote it states {made[path]}",
                    )
            elif name == "noise":
                made[path] = digest.of_json(content)
    for activity in activities:
        _check_used(activity, made, version, findings)
    return made


def _activities(parsed: Parsed, version: Version, findings: Findings) -> list[Activity]:
    found = []
    for generation, documents in parsed.items():
        for name, content in documents.items():
            if name.endswith(".activity"):
                where = f"generations/{generation}/{name}.json of {version.title}"
                try:
                    found.append(Activity.checked(content, where, DamagedArtifact))
                except AldataError as problem:
                    findings.breaks(where, problem.what)
    return found


def _check_used(
    activity: Activity, made: Mapping[str, str], version: Version, findings: Findings
) -> None:
    where = f"{activity.stage} of {activity.generation} in {version.title}"
    for path, used in activity.used.items():
        findings.checked["links of activities"] += 1
        if path in made:
            if made[path] != used:
                findings.breaks(
                    where, f"used {path} with digest {used}, but there it has {made[path]}"
                )
        elif path.startswith("generations/"):
            findings.lacks(f"{path}, which {where} used: no activity says that it was made")


def check_inputs_of(parsed: Parsed, root: Path, findings: Findings) -> None:
    """The user's own files are, by their bytes, those that the activities used (in the workspace)."""
    for generation, documents in parsed.items():
        for name, content in documents.items():
            used = content.get("used", {}) if name.endswith(".activity") else {}
            for path, stated in used.items():
                file = root / path
                if path.startswith("generations/") or not file.is_file():
                    continue
                findings.checked["inputs"] += 1
                if digest.of_file(file) != stated:
                    findings.breaks(
                        path, f"is not the file that {name.split('.')[0]} of {generation} used"
                    )


def check_retractions(root: Path, findings: Findings) -> None:
    """Every retraction has the id that its content gives, and every revocation its retraction."""
    known = set()
    for path in sorted((root / FOLDER).glob("*.json")):
        where = f"{FOLDER}/{path.name}"
        findings.checked["retractions"] += 1
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            if path.name.endswith(REVOKED):
                if Revocation.checked(content, where, DamagedArtifact).retraction not in known:
                    findings.breaks(where, "revokes a retraction that is not there")
                continue
            found = RetractionFile.checked(content, where, DamagedArtifact).id
        except (OSError, ValueError) as problem:
            findings.breaks(where, f"cannot be read ({problem})")
            continue
        except DamagedArtifact as problem:
            findings.breaks(where, problem.what)
            continue
        known.add(found)
        if found != path.stem:
            findings.breaks(where, f"is not the retraction of its name: its content gives {found}")


def check_chain(parsed: Parsed, version: Version, findings: Findings) -> dict[str, Manifest]:
    """Data sets form a tree by digest, and every call keeps its role; calibrations name their model."""
    manifests: dict[str, Manifest] = {}
    for generation, documents in parsed.items():
        where = f"generations/{generation}/dataset.json of {version.title}"
        if "dataset" in documents:
            try:
                manifests[generation] = Manifest.checked(
                    documents["dataset"], where, DamagedArtifact
                )
            except AldataError as problem:
                findings.breaks(where, problem.what)
    for generation, manifest in manifests.items():
        _check_ancestors(generation, manifest, manifests, version, findings)
        if manifest.generation != generation:
            findings.breaks(
                f"generations/{generation}/dataset.json of {version.title}",
                f"is the data set of {manifest.generation}",
            )
    for generation, documents in parsed.items():
        _check_calibration(generation, documents, version, findings)
    return manifests


def _check_ancestors(
    generation: str,
    manifest: Manifest,
    manifests: Mapping[str, Manifest],
    version: Version,
    findings: Findings,
) -> None:
    chain = [manifest]
    while (link := chain[0].parent) is not None:
        parent = manifests.get(link.generation)
        if parent is None:
            findings.breaks(
                f"data set of {chain[0].generation} in {version.title}",
                f"its parent {link.generation} ({link.manifest}) is not there",
            )
            return
        if parent in chain:
            findings.breaks(f"data set of {generation} in {version.title}", "is its own ancestor")
            return
        chain.insert(0, parent)
    findings.checked["chains of data sets"] += 1
    try:
        verify_chain(chain)
        members(chain)
    except DamagedArtifact as problem:
        findings.breaks(f"{problem.where} in {version.title}", problem.what)


def _check_calibration(
    generation: str, documents: Mapping[str, Any], version: Version, findings: Findings
) -> None:
    verb = SEED if generation == SEED else "train"
    made = documents.get(f"{verb}.activity", {}).get("generated", {})
    checkpoint = made.get(f"generations/{generation}/checkpoint.zarr")
    where = f"calibration of {generation} in {version.title}"
    if "calibration" not in documents or checkpoint is None:
        return
    try:
        calibration = Calibration.checked(documents["calibration"], where, DamagedArtifact)
    except AldataError as problem:
        findings.breaks(where, problem.what)
        return
    findings.checked["calibrations"] += 1
    if calibration.checkpoint != checkpoint:
        findings.breaks(
            where, f"is of checkpoint {calibration.checkpoint}, but the model is {checkpoint}"
        )
