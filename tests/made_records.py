"""Records of generations, as the stage `record` leaves them in git, made without computing anything."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from aldata import digest
from aldata.artifacts.documents import Manifest, call_id
from aldata.artifacts.entries import whole_manifest
from aldata.audit.sources import DOCUMENTS, VERBS

THEORY = {
    "oracle": "espresso",
    "settings": {},
    "record": {"code": "pw.x", "upf": {"Au": "5e" * 32}},
}
THEORY_ID = digest.of_json(THEORY["record"])
TIGHTER = {"code": "pw.x", "conv_thr": 1e-10, "upf": {"Au": "5e" * 32}}
PATIENT = {"code": "pw.x", "electron_maxstep": 300, "upf": {"Au": "7f" * 32}}
"""Records of further levels of theory: tighter settings, and a fallback's."""


def configuration(name: object) -> str:
    """The id of a configuration that has only a name."""
    return digest.of_json(["configuration", str(name)])


def call(name: object) -> str:
    """The id of the call about it."""
    return call_id(configuration(name), THEORY_ID)


def entry(
    name: object,
    role: str,
    status: str = "accepted",
    purpose: str = "acquired",
    theory_id: str = THEORY_ID,
) -> Any:
    return {
        "call": call_id(configuration(name), theory_id),
        "configuration": configuration(name),
        "result": digest.of_json(["result", str(name), status]),
        "status": status,
        "role": role,
        "purpose": purpose,
        "lineage": f"trajectory of {name}",
        "duplicate_of": None,
    }


class Records:
    """A git repository with records of generations; written one by one, parents first."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True)
        self.git("init", "--quiet", "--initial-branch=main")
        self.git("config", "user.name", "tests")
        self.git("config", "user.email", "tests@localhost")
        for name, text in (("params.yaml", "generations: {}\n"), ("dvc.yaml", "stages: {}\n")):
            (root / name).write_text(text)
        (root / ".dvc").mkdir()
        (root / ".dvc" / "config").write_text("")
        (root / ".gitignore").write_text(".aldata/\n")
        self.checkpoints: dict[str, str] = {}

    def git(self, *arguments: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(self.root), *arguments], capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def commit(self, message: str = "more") -> str:
        self.git("add", ".")
        self.git("commit", "--quiet", "-m", message)
        return self.git("rev-parse", "HEAD")

    def seed(self, entries: Sequence[Any]) -> None:
        self._write("seed", None, entries, [], {})
        used = {"structures/cell.xyz": "ce" * 32}
        made = {"generations/seed/checkpoint.zarr": self._checkpoint("seed", 0)}
        self._document("seed", "seed.activity", _activity("seed", "seed", used, made, {}))
        self._document("seed", "theory", THEORY)

    def generation(
        self,
        name: str,
        parent: str,
        entries: Sequence[Any],
        *,
        retracted: Sequence[str] = (),
        update: str = "retrain",
        variant: int = 0,
        facts: Mapping[str, Any] = {},
        noise: str | None = None,
        fallback: Mapping[str, Any] | None = None,
    ) -> None:
        """A generation with these entries; `variant` makes another checkpoint of the same data.

        noise : digest of the measurement of its noise. fallback : a level of theory that it asked at.
        """
        self._write(name, parent, entries, retracted, facts)
        before, own = self._path(parent, "checkpoint.zarr"), self._path(name, "checkpoint.zarr")
        used = {
            before: self.checkpoints[parent],
            self._path(parent, "calibration.json"): self._digest(parent, "calibration"),
            self._path(parent, "dataset.json"): self._digest(parent, "dataset"),
        }
        made = {
            "acquire": {self._path(name, "selection.zarr"): digest.of_json([name, variant])},
            "train": {own: self._checkpoint(name, variant)},
            "explore": {self._path(name, "candidates.zarr"): digest.of_json([name, "c", variant])},
        }
        for verb in VERBS:
            parameters = {"update": update} if verb == "train" else {}
            content = _activity(verb, name, used, made.get(verb, {}), parameters)
            if verb == "label" and fallback is not None:
                content["facts"] = {"fallbacks": {"patient": fallback}}
            self._document(name, f"{verb}.activity", content)
        if noise is not None:
            source = f"measured on 3 frames: {noise[:12]} in noise/{THEORY_ID[:12]}.json"
            self._document(name, "noise", {"source": source})

    def measure(self, names: Sequence[str]) -> str:
        """A measurement of noise, as `aldata noise` keeps it, by asking these calls again; its digest."""
        frames = [
            {"call": call(name), "configuration": configuration(name),
             "tighter_call": call_id(configuration(name), digest.of_json(TIGHTER)),
             "repeat_calls": [call(f"{name} moved {n}") for n in range(2)]}
            for name in names
        ]  # fmt: skip
        item = {"frames": frames, "tighter_theory": {"record": TIGHTER},
                "repeats_theory": {"record": THEORY["record"]}}  # fmt: skip
        asked = [c for f in frames for c in (f["tighter_call"], *f["repeat_calls"])]
        facts = {"host": "node9", "start": "2026-04-01T10:00:00Z", "cpu_seconds": 7.0}
        calls = [_fact({"call": c, "status": "accepted"}, facts) for c in asked]
        path = self.root / "noise" / f"{THEORY_ID[:12]}.json"
        path.parent.mkdir(exist_ok=True)
        content = {"theory_id": THEORY_ID, "measurements": [item], "calls": calls}
        path.write_text(json.dumps(content))
        return digest.of_json(item)

    def _write(
        self,
        name: str,
        parent: str | None,
        entries: Sequence[Any],
        retracted: Sequence[str],
        facts: Mapping[str, Any],
    ) -> None:
        link = None
        if parent is not None:
            link = {"generation": parent, "manifest": self._digest(parent, "dataset")}
        manifest = {
            "generation": name,
            "parent": link,
            "theory_id": THEORY_ID,
            "species": [79],
            "entries": list(entries),
            "retracted": [{"call": call(n), "reason": "wrong"} for n in retracted],
        }
        for document in DOCUMENTS:
            self._document(name, document, {"of": name, "document": document})
        self._document(name, "dataset", Manifest.model_validate(manifest).stored())
        self._document(name, "calls", [_fact(e, facts) for e in entries])
        picks = [
            {"configuration": e["configuration"], "rank": rank, "score": 1.0, "probe": False,
             "reason": "picked"}
            for rank, e in enumerate(entries)
        ]  # fmt: skip
        content = {"attributes": {"strategy": "random"}, "picks": picks}
        self._document(name, "selection", content)

    def _checkpoint(self, name: str, variant: int) -> str:
        self.checkpoints[name] = digest.of_json(
            ["checkpoint", name, variant, self._digest(name, "dataset")]
        )
        return self.checkpoints[name]

    def _document(self, generation: str, name: str, content: Any) -> None:
        path = self.root / "generations" / generation / "record" / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))

    def _digest(self, generation: str, name: str) -> str:
        path = self.root / "generations" / generation / "record" / f"{name}.json"
        content = json.loads(path.read_text())
        return digest.of_json(whole_manifest(content) if name == "dataset" else content)

    @staticmethod
    def _path(generation: str, name: str) -> str:
        return f"generations/{generation}/{name}"


def _fact(entry: Any, facts: Mapping[str, Any]) -> Any:
    fact = {"call_id": entry["call"], "status": entry["status"], "failure": "none", "message": "",
            "cpu_seconds": 3.0, "wall_seconds": 1.0, "host": "node1", "start": "2026-03-02T10:00:00Z",
            "end": "2026-03-02T10:01:00Z", "version": "pw.x 7.4", "new": True}  # fmt: skip
    return {**fact, **facts}


def _activity(verb: str, generation: str, used: Any, made: Any, parameters: Any) -> Any:
    return {
        "stage": verb, "generation": generation, "used": used, "generated": made,
        "parameters": parameters, "random_seed": 1, "behaviour": 1, "git_baseline": "ab" * 20,
        "uncommitted": False, "experiment": None, "started": "2026-03-02T10:00:00Z",
        "ended": "2026-03-02T11:00:00Z", "host": "node1", "platform": "Linux", "python": "3.11.0",
        "packages": dict.fromkeys(("aldata", "torch", "mace-torch", "numpy"), "1.0"), "facts": {},
    }  # fmt: skip
