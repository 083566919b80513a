"""Where the documents of a version lie: in git, in the project's folder, or in DVC's cache.

Nothing is fetched and nothing of DVC is imported: its cache is files named by their md5, and dvc.lock
says which md5 lay at which path.
"""

from __future__ import annotations

import configparser
import hashlib
import json
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from aldata import provenance
from aldata.artifacts.layout import SEED
from aldata.audit.versions import WORKSPACE, Version

DOCUMENTS = ("dataset", "calls", "calibration", "metrics", "history", "noise", "selection")
VERBS = ("explore", "describe", "acquire", "label", "curate", "train", "calibrate", "evaluate")
SEED_DOCUMENTS = ("dataset", "calls", "noise", "theory")

NOISE = "noise/"
"""Stands for a generation, and begins the documents' names, where the files of `aldata noise` are meant."""

_STAGE = re.compile(r"  (\S.*):")
_PATH = re.compile(r"    - path: (\S.*)")
_HASH = re.compile(r"      md5: (\S+)")
_LISTED = re.compile(r"\S+ blob (\S+)\tgenerations/([^/]+)/record/(.+)\.json")
_MEASURED = re.compile(rf"\S+ blob (\S+)\t({NOISE}[^/]+)\.json")


def expected(generation: str) -> list[str]:
    """Names of the documents that a complete record of a generation holds."""
    if generation == NOISE:
        return []
    if generation == SEED:
        return [*SEED_DOCUMENTS, f"{SEED}.activity"]
    return [*DOCUMENTS, *(f"{verb}.activity" for verb in VERBS)]


def outs_of(lock: str) -> dict[str, str]:
    """The md5 of every out that a dvc.lock names, by path.

    DVC writes one key per line, so no YAML parser is needed, which would take seconds for a history
    of long plans; `verify` parses the file as YAML.
    """
    outs: dict[str, str] = {}
    path, in_outs = None, False
    for line in lock.splitlines():
        if line.startswith("    ") and not line.startswith("     ") and line.endswith(":"):
            in_outs, path = line.strip() == "outs:", None
        elif found := _PATH.fullmatch(line):
            path = found[1].strip("'\"")
        elif in_outs and path is not None and (found := _HASH.fullmatch(line)):
            outs[path] = found[1]
    return outs


@dataclass(frozen=True)
class Document:
    """One document of a generation's record: what identifies its bytes, and where they lie.

    key : git's id of the blob, or `md5:` and DVC's of the file. path : None where git has it.
    """

    key: str
    path: Path | None


Records = dict[str, dict[str, Document]]
"""Documents by generation and name."""


class Sources:
    """The documents of every version of the project at `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._process: subprocess.Popen[bytes] | None = None

    def records(self, version: Version, marks: Mapping[str, tuple[str, str]]) -> Records:
        """Documents of a version, of all generations that it names in dvc.lock or has on record.

        The files of `aldata noise` are those of the generation `NOISE`.

        marks : for the workspace, what is known of its files: mark and key by path.
        """
        if version.key == WORKSPACE:
            lock = self.root / "dvc.lock"
            text = lock.read_text(encoding="utf-8") if lock.exists() else ""
            found = self._files(marks)
        else:
            text = (self.read(f"{version.key}:./dvc.lock") or b"").decode(errors="replace")
            found = self._in_git(version.key)
        for path, md5 in outs_of(text).items():
            parts = path.split("/")
            if parts[0] != "generations" or len(parts) != 3:
                continue
            record = found.setdefault(parts[1], {})
            name = parts[2].removesuffix(".json")
            if name not in record and name in expected(parts[1]):
                cached = self.cached(md5)
                if cached is not None:
                    record[name] = Document(f"md5:{md5}", cached)
        return found

    def bytes_of(self, document: Document) -> bytes | None:
        """The bytes of a document; None where they are gone."""
        if document.path is None:
            return self.read(document.key)
        try:
            return document.path.read_bytes()
        except OSError:
            return None

    def cached(self, md5: str) -> Path | None:
        """The file of this content in DVC's cache on this machine, if it is there."""
        path = self.cache / "files" / "md5" / md5[:2] / md5[2:]
        return path if path.exists() else None

    def holds(self, md5: str) -> bool:
        """Whether DVC's cache here has this file, or this folder with all of its files."""
        found = self.cached(md5)
        if found is None or not md5.endswith(".dir"):
            return found is not None
        try:
            rows = json.loads(found.read_bytes())
            return all(self.cached(row["md5"]) is not None for row in rows)
        except (OSError, ValueError, TypeError, KeyError):
            return False

    @cached_property
    def cache(self) -> Path:
        """The folder of DVC's cache, as .dvc/config and .dvc/config.local name it."""
        folder = self.root / ".dvc"
        found = folder / "cache"
        for name in ("config", "config.local"):
            parsed = configparser.ConfigParser(interpolation=None)
            try:
                parsed.read(folder / name, encoding="utf-8")
            except configparser.Error:
                continue  # DVC says what is wrong with it; its default is what is left
            if parsed.has_option("cache", "dir"):
                found = folder / parsed.get("cache", "dir")
        return found

    def read(self, name: str) -> bytes | None:
        """The object that git knows by `name` (an id, or `commit:./path`); None without one."""
        process = self._git()
        assert process.stdin is not None and process.stdout is not None  # noqa: PT018
        process.stdin.write(name.encode() + b"\n")
        process.stdin.flush()
        head = process.stdout.readline().split()
        if len(head) != 3 or head[1] in (b"missing", b"ambiguous"):
            return None
        content = process.stdout.read(int(head[2]))
        process.stdout.read(1)
        return content

    def close(self) -> None:
        """End git's process."""
        if self._process is not None:
            self._process.communicate()
            self._process = None

    def _git(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            self._process = subprocess.Popen(
                ["git", "-C", str(self.root), "cat-file", "--batch"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        return self._process

    def _in_git(self, commit: str) -> Records:
        folders = ("generations", NOISE)
        listed = provenance.git(self.root, "ls-tree", "-r", commit, "--", *folders) or ""
        found: Records = {}
        for line in listed.splitlines():
            if match := _LISTED.fullmatch(line):
                key, generation, name = match.groups()
                if name in expected(generation):
                    found.setdefault(generation, {})[name] = Document(key, None)
            elif match := _MEASURED.fullmatch(line):
                found.setdefault(NOISE, {})[match[2]] = Document(match[1], None)
        return found

    def _files(self, marks: Mapping[str, tuple[str, str]]) -> Records:
        """What lies in the folder now: the artifacts themselves, else the copies on record."""
        found: Records = {}
        for folder in sorted((self.root / "generations").glob("*/")):
            record: dict[str, Document] = {}
            for name in expected(folder.name):
                places = (folder / f"{name}.json", folder / "record" / f"{name}.json")
                path = next((place for place in places if place.is_file()), None)
                if path is not None:
                    record[name] = Document(self._key(path, marks), path)
            if record:
                found[folder.name] = record
        measured = sorted((self.root / NOISE).glob("*.json"))
        if measured:
            found[NOISE] = {
                f"{NOISE}{path.stem}": Document(self._key(path, marks), path) for path in measured
            }
        return found

    def _key(self, path: Path, marks: Mapping[str, tuple[str, str]]) -> str:
        mark, key = marks.get(str(path), ("", ""))
        return key if mark == mark_of(path) else blob_id(path.read_bytes())


def mark_of(path: Path) -> str:
    """What changes when a file is replaced or written: inode, size, time of change."""
    facts = path.stat()
    return f"{facts.st_ino} {facts.st_size} {facts.st_mtime_ns}"


def blob_id(content: bytes) -> str:
    """Git's id of these bytes, so that a file that git has is known already."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
