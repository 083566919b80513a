"""What oracles that start a program share: its files, its run, and what is asked before."""

from __future__ import annotations

import contextlib
import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Self

from aldata.artifacts.frames import Configuration
from aldata.errors import OracleUnavailable
from aldata.label.oracles import cells
from aldata.label.oracles.place import Place
from aldata.label.oracles.programs import Ended, call, on_path, write_input
from aldata.label.oracles.protocol import Answer, OracleFailure
from aldata.label.oracles.pseudopotentials import Pseudopotential, load
from aldata.records import Record

SCRATCH = "scratch"
"""Folder, below a call's, of what the program reads and writes for itself; gone when it has ended."""


class ProcessOracle(ABC):
    """A code that is a program of its own: a fresh folder, density and process for every call.

    A code's class says how it is found, what it reads, and how its output proves convergence.
    `NAME`: of the oracle, and of its command in `codes`. `PROGRAMS`: looked for on the PATH.
    `FILES_OF`: the setting that names something for every element. `TOLERANCE`: the setting with
    the tolerance of its iterations, and the smallest that it reaches.
    """

    SETTINGS: ClassVar[type[Record]]
    NAME: ClassVar[str]
    PROGRAMS: ClassVar[tuple[str, ...]]
    INSTALL: ClassVar[str]
    INPUT: ClassVar[str]
    OUTPUT: ClassVar[str]
    FILES_OF: ClassVar[str] = "pseudopotentials"
    TOLERANCE: ClassVar[tuple[str, float]]

    def __init__(self, settings: Any) -> None:
        self.settings = settings

    @abstractmethod
    def theory(self) -> dict[str, Any]:
        """The record of the level of theory, as the protocol wants it."""

    @abstractmethod
    def version(self) -> str:
        """Version that the program prints. Raises OracleUnavailable."""

    @abstractmethod
    def input_text(self, configuration: Configuration) -> str:
        """What the program reads, in the file `INPUT`."""

    @abstractmethod
    def answer_of(self, ended: Ended, directory: Path, configuration: Configuration) -> Answer:
        """The answer with its proof. Raises OracleFailure for anything less than convergence."""

    def data(self) -> Mapping[str, bytes]:
        """Files that the program reads from the scratch folder, by name. Raises OracleUnavailable."""
        return {file.name: file.content for file in self.files.values()}

    def valence(self) -> Mapping[str, float]:
        """Electrons that the program gives a neutral atom, by element."""
        return {symbol: file.valence for symbol, file in self.files.items()}

    @cached_property
    def files(self) -> dict[str, Pseudopotential]:
        """The pseudopotential of every element that one is named for. Raises OracleUnavailable."""
        place = Place.here()
        named: Mapping[str, str] = getattr(self.settings, self.FILES_OF)
        return {symbol: load(symbol, source, place) for symbol, source in named.items()}

    def environment(self) -> dict[str, str]:
        """Variables that the program is started with, beside those of this process."""
        return {}

    def arguments(self) -> list[str]:
        """Of the program, started in the call's folder."""
        return [self.INPUT]

    def resolved(self) -> Self:
        """Itself. Raises OracleUnavailable where the program or one of its files is missing."""
        self.version()
        self.data()
        return self

    def tighter(self) -> Self:
        """A hundredth of the tolerance. Raises OracleUnavailable where it is the smallest."""
        name, smallest = self.TOLERANCE
        now = getattr(self.settings, name)
        if now <= smallest:
            raise OracleUnavailable(
                f"{self.NAME} reaches no tighter tolerance",
                where=f"oracle.settings.{name}",
                expected=f"more than {smallest:g}",
            )
        return self.with_settings(**{name: max(now / 100, smallest)})

    def with_settings(self, **changes: Any) -> Self:
        """The same oracle with other settings, which are not checked again."""
        return type(self)(self.settings.model_copy(update=changes))

    def preload(self) -> tuple[str, ...]:
        """What writing the input imports."""
        return ("ase.data", "pyscf.pbc.gto.pseudo")

    def check(self, configurations: Sequence[Configuration]) -> list[str]:
        """Elements that nothing is named for, shapes, and electrons that do not fit the spin."""
        problems = cells.shape_problems(configurations, self.settings.box)
        named = getattr(self.settings, self.FILES_OF)
        missing = [e for e in cells.elements(configurations) if e not in named]
        if missing:
            kind = self.FILES_OF.removesuffix("s")
            problems.append(
                f"no {kind} is named for {', '.join(missing)}: oracle.settings.{self.FILES_OF}"
            )
        return problems + self._electron_problems(configurations)

    def _electron_problems(self, configurations: Sequence[Configuration]) -> list[str]:
        smeared = bool(self.settings.smearing)
        return cells.electron_problems(configurations, self.valence(), smeared)

    def label(self, configuration: Configuration, directory: Path) -> Answer:
        """Run the program; files `input.json`, `INPUT`, `OUTPUT`, and what it printed elsewhere.

        Some codes compute an odd number of electrons without spin, in half-filled orbitals.
        """
        for problem in self._electron_problems([configuration]):
            raise OracleFailure("refused_input", problem)
        write_input(directory, self.settings, configuration)
        with self._scratch(directory):
            (directory / self.INPUT).write_text(self.input_text(configuration))
            ended = call(
                self.command(), self.arguments(), directory, self.OUTPUT, **self.environment()
            )
        return self.answer_of(ended, directory, configuration)

    @contextlib.contextmanager
    def _scratch(self, directory: Path) -> Iterator[None]:
        folder = directory / SCRATCH
        folder.mkdir()
        try:
            for name, content in self.data().items():
                (folder / name).write_bytes(content)
            yield
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def command(self) -> str:
        """The configured command, the project's own, or one on the PATH. Raises OracleUnavailable."""
        place = Place.here()
        stated: str | None = getattr(place.codes, self.NAME)
        found = stated or self.own_command(place) or on_path(*self.PROGRAMS)
        if found is None:
            name = self.PROGRAMS[0] if self.PROGRAMS else self.NAME
            raise OracleUnavailable(
                f"there is no {name}", where=f"oracle: {self.NAME}", next_step=self.INSTALL
            )
        return found

    def own_command(self, place: Place) -> str | None:  # noqa: ARG002 (most codes have none)
        """The command in the environment that `aldata doctor --install` made for the project."""
        return None
