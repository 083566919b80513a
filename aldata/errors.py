"""What aldata says when something is wrong: what, where, what was expected, what to do next."""

from __future__ import annotations


class AldataError(Exception):
    """An error a user can act on.

    Parameters
    ----------
    what : what is wrong, in one sentence.
    where : the file, parameter, generation or call it is about.
    expected : what would have been right.
    next_step : what to do now; an exact command wherever there is one.
    """

    def __init__(
        self,
        what: str,
        *,
        where: str | None = None,
        expected: str | None = None,
        next_step: str | None = None,
    ) -> None:
        self.what = what
        self.where = where
        self.expected = expected
        self.next_step = next_step
        super().__init__(self._sentence())

    def _sentence(self) -> str:
        parts = [f"{self.where}: {self.what}" if self.where else self.what]
        if self.expected:
            parts.append(f"Expected: {self.expected}")
        if self.next_step:
            parts.append(f"Next: {self.next_step}")
        return "\n  ".join(parts)

    def __reduce__(self) -> tuple[object, ...]:
        # Errors cross process borders (Dask): rebuild with the keyword arguments.
        return (_rebuild, (type(self), self.what, self.where, self.expected, self.next_step))


def _rebuild(
    kind: type[AldataError],
    what: str,
    where: str | None,
    expected: str | None,
    next_step: str | None,
) -> AldataError:
    return kind(what, where=where, expected=expected, next_step=next_step)


class InvalidParameters(AldataError):
    """`params.yaml` or a setting in it cannot be used."""


class InvalidInput(AldataError):
    """A file or an object that a user handed in cannot be used."""


class DamagedArtifact(AldataError):
    """A store or document is not what its digest says, or cannot be read."""


class LedgerError(AldataError):
    """The ledger cannot be read or written."""


class OracleUnavailable(AldataError):
    """An oracle cannot run here: a missing program, basis or setting."""


class ProjectError(AldataError):
    """The folder is not a usable project, or another process holds it."""


class CallsRefused(AldataError):
    """New oracle calls were asked for where they were not allowed."""


class ClusterFailed(AldataError):
    """Jobs cannot run where the cluster's settings say, or what ran them is gone."""


class CallsFailed(AldataError):
    """More of a run's oracle calls failed than the settings allow."""
