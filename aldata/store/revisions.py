"""The door to DVC: artifacts of a past revision, without a checkout.

`dvc.lock` of the revision names the content of every artifact; what lies in this machine's DVC cache
is memory-mapped there, and only what does not is read through DVC from the remote.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from aldata.errors import DamagedArtifact
from aldata.store.metadata import NAME, Layout, parsed_layout


class Revision:
    """A project as it was at a commit.

    version : what the user called it. tracked : the text of a file that git tracked then.
    experiment : the name of the DVC experiment that the commit is, if it is one.
    """

    def __init__(
        self,
        root: Path,
        version: str,
        commit: str,
        tracked: Callable[[Path], str],
        experiment: Callable[[], str | None],
    ) -> None:
        self.root = root
        self.version = version
        self.commit = commit
        self.text = tracked
        self.experiment = experiment

    def __reduce__(self) -> tuple[Any, ...]:
        # without what is open: DVC's repository and file system
        return Revision, (self.root, self.version, self.commit, self.text, self.experiment)

    def holds(self, path: Path) -> bool:
        """Whether `dvc.lock` of the revision names an artifact at `path`."""
        return path.as_posix() in self._outs

    def content(self, path: Path) -> bytes:
        """The bytes of an artifact that is one file, from the cache or the remote."""
        return self._bytes(path, "")

    def json(self, path: Path) -> Any:
        """A JSON artifact, from the cache or the remote."""
        try:
            return json.loads(self.content(path))
        except (json.JSONDecodeError, UnicodeDecodeError) as problem:
            raise DamagedArtifact(
                f"cannot be read ({problem})",
                where=str(self._named(path)),
                next_step=self._fetch(path),
            ) from problem

    def layout(self, path: Path) -> Layout:
        """Where the bytes of a store lie: in the cache, as far as it has them."""
        return parsed_layout(
            self._named(path),
            self._bytes(path, NAME),
            locate=self._locator(path),
            unpack=lambda name: self._unpacked(path, name),
            remake=self._fetch(path),
            reopen=partial(self.layout, path),
        )

    @cached_property
    def _outs(self) -> dict[str, str]:
        """The hash of every artifact that the revision's stages wrote, by path."""
        import yaml

        # in C where it is built in: the lock of fifty generations is a megabyte
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        lock = yaml.load(self.text(Path("dvc.lock")), Loader=loader)
        stages = (lock or {}).get("stages", {}).values()
        outs = [out for stage in stages for out in stage.get("outs", [])]
        return {out["path"]: out["md5"] for out in outs if "md5" in out}

    @cached_property
    def _repo(self) -> Any:
        from dvc.repo import Repo

        return Repo(str(self.root))

    @cached_property
    def _cache(self) -> Path:
        return Path(self._repo.cache.local.path)

    @cached_property
    def _files(self) -> Any:
        from dvc.api import DVCFileSystem

        return DVCFileSystem(str(self.root), rev=self.commit)

    def _object(self, hash_: str) -> Path | None:
        """The cache's file of this content, if it is there."""
        found = self._cache / hash_[:2] / hash_[2:]
        return found if found.exists() else None

    def _hash(self, path: Path) -> str:
        found = self._outs.get(path.as_posix())
        if found is None:
            raise DamagedArtifact(
                "is not in this revision",
                where=str(self._named(path)),
                expected=f"an artifact that dvc.lock of {self.version} names",
                next_step=f"git show {self.commit[:12]}:dvc.lock",
            )
        return found

    def _locator(self, path: Path) -> Callable[[str], str | None]:
        """The cache's file of a name inside the folder at `path`; None for what is only remote."""
        listing = self._object(self._hash(path))
        if listing is None:
            return lambda _: None
        content = {row["relpath"]: row["md5"] for row in json.loads(listing.read_bytes())}

        def locate(name: str) -> str | None:
            if name not in content:  # a chunk that was never written: the size check says so
                return f"{listing}/{name}"
            found = self._object(content[name])
            return None if found is None else str(found)

        return locate

    def _bytes(self, path: Path, name: str) -> bytes:
        """Content of the artifact at `path`, or of a name inside it: the cache's, else the remote's."""
        hash_ = self._hash(path)
        file = self._locator(path)(name) if name else self._object(hash_)
        if file is not None:
            return Path(file).read_bytes()
        with self._remotely(path):
            return bytes(self._files.cat_file((path / name).as_posix()))

    def _unpacked(self, path: Path, name: str) -> Any:
        return _Guarded(self._remote_array(path, name), lambda: self._remotely(path))

    def _remote_array(self, path: Path, name: str) -> Any:
        """The array through Zarr on DVC's file system, which reads the cache and the remote."""
        import zarr
        from fsspec.implementations.asyn_wrapper import AsyncFileSystemWrapper
        from zarr.storage import FsspecStore

        with self._remotely(path):
            files = FsspecStore(
                AsyncFileSystemWrapper(self._files, asynchronous=True),
                read_only=True,
                path=(path / name).as_posix(),
                # a chunk that is nowhere is an error; Zarr would show zeros
                allowed_exceptions=(),
            )
            return zarr.open_array(files, mode="r", zarr_format=3)

    @contextmanager
    def _remotely(self, path: Path) -> Iterator[None]:
        """Say which artifact is missing, and how to fetch it, when DVC finds it nowhere."""
        from dvc.exceptions import DvcException
        from dvc_data.index.index import DataIndexError

        try:
            yield
        except (OSError, KeyError, DvcException, DataIndexError) as problem:
            raise DamagedArtifact(
                f"is neither in DVC's cache nor in its remote ({problem})",
                where=str(self._named(path)),
                next_step=self._share(),
            ) from problem

    def _named(self, path: Path) -> Path:
        return Path(f"{path.as_posix()}@{self.version}")

    def _fetch(self, path: Path) -> str:
        """What brings a damaged artifact back from the remote."""
        # `dvc fetch --all-commits` does not see experiments
        name = self.experiment()
        pull = f"dvc exp pull GIT_REMOTE {name}" if name else "dvc fetch --all-commits"
        return f"remove it from DVC's cache, then {pull} {'' if name else path.as_posix()}".rstrip()

    def _share(self) -> str:
        """What brings a missing artifact into the remote, or into being."""
        name = self.experiment()
        push = f"dvc exp push GIT_REMOTE {name}" if name else "dvc push --all-commits"
        back = f"dvc exp apply {name}" if name else f"git checkout {self.commit[:12]}"
        return f"{push}  (where it was computed), or compute it again: {back} && dvc repro"


class _Guarded:
    """An array whose reads say what is missing."""

    def __init__(self, array: Any, guard: Callable[[], AbstractContextManager[None]]) -> None:
        self.array = array
        self.guard = guard

    def __getitem__(self, selection: Any) -> Any:
        with self.guard():
            return self.array[selection]


def copy_at(root: Path, commit: str, path: Path, target: Path) -> None:
    """Copy the artifact at `path` as it was at a commit. Raises OSError where DVC has it not."""
    from dvc.api import DVCFileSystem

    target.parent.mkdir(parents=True, exist_ok=True)
    files = DVCFileSystem(str(root), rev=commit)
    files.get(path.as_posix(), str(target), recursive=path.suffix == ".zarr")
