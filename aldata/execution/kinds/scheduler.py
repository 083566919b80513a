"""Workers that somebody else started, at the address of their scheduler."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aldata.errors import ClusterFailed
from aldata.execution.kinds.far import Checked, SharedFolder, shared_folder
from aldata.execution.kinds.site import Patience, Site
from aldata.execution.settings import ClusterSettings, Needs

if TYPE_CHECKING:
    from distributed import Client

PATIENCE = 60.0
"""Seconds to wait for a first worker, unless the settings say another number."""

CONNECT = "10s"


@contextlib.contextmanager
def open_scheduler(settings: ClusterSettings, needs: Needs, jobs: int) -> Iterator[Site]:  # noqa: ARG001
    """The site at `settings.scheduler`; its workers stay when the block ends."""
    from distributed import Client

    assert settings.scheduler is not None
    with contextlib.ExitStack() as stack:
        try:
            client = Client(settings.scheduler, set_as_default=False, timeout=CONNECT)
        except (OSError, ValueError, TimeoutError) as problem:
            raise ClusterFailed(
                f"no Dask scheduler answers: {problem}",
                where=f"cluster.scheduler: {settings.scheduler}",
                next_step="start one (dask scheduler), or correct the address in "
                ".aldata/config.yaml",
            ) from None
        stack.enter_context(client)
        folder = stack.enter_context(shared_folder(Path.cwd() / ".aldata"))
        yield _Address(client, settings, needs, folder)


class _Address:
    """A site that is not ours: workers come and go as others please."""

    def __init__(
        self, client: Client, settings: ClusterSettings, needs: Needs, folder: SharedFolder
    ) -> None:
        self.client = client
        self._address = str(settings.scheduler)
        self._cores = needs.cores
        self._folder = folder
        self._patience = Patience(
            settings.patience or PATIENCE,
            f"cluster.scheduler: {self._address}",
            f"start workers: {self._command()}",
        )

    def workers(self) -> int:
        return len(self._able())

    def check(self, left: int) -> None:  # noqa: ARG002
        """Raises ClusterFailed when the scheduler is gone, or has no worker that could help."""
        if self.client.status != "running":
            raise ClusterFailed(
                "the connection to the scheduler is lost",
                where=f"cluster.scheduler: {self._address}",
                next_step="start it again with its workers, then run again: what ended is kept",
            )
        self._patience.check(self.workers())

    def wrapped(self, function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        return Checked(function, self._folder)

    def resources(self) -> dict[str, float] | None:
        """Jobs of several cores go to workers that declare the resource `cores`."""
        return {"cores": float(self._cores)} if self._cores > 1 else None

    def _command(self) -> str:
        declared = f" --resources cores={self._cores}" if self._cores > 1 else ""
        return f"dask worker {self._address} --nthreads 1{declared}"

    def _able(self) -> list[Any]:
        """Workers that have the resources that a job needs."""
        try:
            known = self.client.scheduler_info(n_workers=-1)["workers"].values()
        except (OSError, TypeError):
            return []
        needed = self._cores if self._cores > 1 else 0
        return [w for w in known if w.get("resources", {}).get("cores", 0) >= needed]
