"""Whether the noise of every generation is the one that was measured."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from aldata import digest
from aldata.audit.graph import MEASUREMENT, measurement_in
from aldata.audit.sources import NOISE, Sources
from aldata.audit.verification.findings import Findings
from aldata.audit.versions import Version

SIGMAS = ("sigma_energy", "sigma_forces")


def check_noise(
    sources: Sources, parsed: Mapping[str, Mapping[str, Any]], version: Version, findings: Findings
) -> None:
    """The measurement that a generation's noise names is there by its digest, and says these numbers.

    Who edits `earlier_generations`, as a user may, changes the digest and not the numbers: a remark.
    """
    measured = _measured(sources, version, findings)
    for generation, documents in parsed.items():
        noise = documents.get("noise", {})
        named = measurement_in(noise)
        if named is None:
            continue
        findings.checked["measured noise"] += 1
        where = f"noise of {generation} in {version.title}"
        wanted = [noise.get(name) for name in SIGMAS]
        found = measured.get(named)
        same = [item for item in measured.values() if [item.get(s) for s in SIGMAS] == wanted]
        if found is not None and found not in same:
            findings.breaks(where, f"has other numbers than the measurement {named}")
        elif found is None and same:
            findings.notes.append(f"{where}: {named} is there with other earlier_generations")
        elif found is None and measured:
            findings.breaks(
                where, f"comes from the measurement {named}, which {NOISE} does not hold"
            )
        elif found is None:
            findings.lacks(f"the measurement {named}: {where}")


def _measured(sources: Sources, version: Version, findings: Findings) -> dict[str, dict[str, Any]]:
    """Every measurement that a version holds, by the first digits of its digest."""
    found: dict[str, dict[str, Any]] = {}
    for name, document in sources.records(version, {}).get(NOISE, {}).items():
        content = sources.bytes_of(document)
        try:
            for item in json.loads(content or b"")["measurements"]:
                found[digest.of_json(item)[:MEASUREMENT]] = item
        except (ValueError, KeyError, TypeError) as problem:
            findings.breaks(f"{name}.json of {version.title}", f"cannot be read ({problem})")
    return found
