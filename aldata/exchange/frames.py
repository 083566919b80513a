"""What goes over the border: frames as a file has them, and what the file says about itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from aldata import digest
from aldata.artifacts.columns import Array
from aldata.artifacts.documents import Theory
from aldata.artifacts.frames import Candidates, Configurations, Labels
from aldata.artifacts.schema import KINDS, Variable
from aldata.exchange.conventions import OWN, Conventions, tensor
from aldata.records import Record

if TYPE_CHECKING:
    from ase import Atoms

RESULTS = ("energy", "forces", "stress")
"""What a label consists of, by the name that a frame gives it."""

_GEOMETRY = {"row_size", "numbers", "positions", "cell", "pbc"}

FACTS: dict[str, str] = {
    variable.name: {"uint8": "text", "float64": "number"}.get(variable.dtype, "integer")
    for kind in ("labels", "candidates")
    for variable in KINDS[kind]
    if variable.name not in {*_GEOMETRY, *RESULTS}
} | {"theory_id": "text", "role": "text", "generation": "text"}
"""What aldata says about a frame beside geometry and results: name, and text, integer or number.

Hashes are hexadecimal text, enumerated quantities the names of `schema`; `role` is that of the call in
the data set of `generation`, `theory_id` the level of theory.
"""


@dataclass(frozen=True, eq=False)
class Frame:
    """One frame as a file has it, in the file's own units.

    numbers (n,), positions (n, 3), cell (3, 3), pbc (3,); values: everything else by name, such as
    energy, forces (n, 3), stress (6,) or (3, 3), charge, spin and the `FACTS`.
    """

    numbers: Array
    positions: Array
    cell: Array
    pbc: Array
    values: dict[str, Any] = field(default_factory=dict)


class Statement(Record):
    """What a file says about itself: conventions, level of theory, and where it comes from.

    `theory_id` stands alone where the record of the level of theory is not known. source: kind of
    artifact, generation, digest and the like.
    """

    conventions: Conventions = Conventions()
    theory: Theory | None = None
    theory_id: str | None = None
    source: dict[str, str] = Field(default_factory=dict)

    def text(self) -> str:
        """As one line of JSON."""
        return digest.canonical_json(self.content())


@dataclass(frozen=True, eq=False)
class Content:
    """What a file holds: its statement, and its frames one after the other, unconverted."""

    statement: Statement
    frames: Iterator[Frame]


def own_statement(
    theory: Theory | None, theory_id: str | None, source: dict[str, str]
) -> Statement:
    """The statement of a file that aldata writes."""
    identity = theory.id if theory is not None else theory_id
    return Statement(conventions=OWN, theory=theory, theory_id=identity, source=source)


def stated_theory(text: str) -> Theory:
    """A level of theory of which only a description is known."""
    return Theory(oracle="stated", settings={}, record={"stated": text})


def statement_of(text: Any, where: str) -> Statement:
    """The statement that a file carries, or an empty one. Raises InvalidInput for a broken one."""
    import json

    from aldata.errors import InvalidInput

    if text is None:
        return Statement()
    try:
        content = json.loads(text)
    except (TypeError, ValueError) as problem:
        raise InvalidInput(f"its statement is not JSON ({problem})", where=where) from None
    return Statement.checked(content, f"{where}: statement", error=InvalidInput)


def frames_of(
    artifact: Configurations, added: Mapping[str, Sequence[str]] | None = None
) -> Iterator[Frame]:
    """The frames of configurations, candidates or labels, in aldata's conventions.

    Results that are NaN are left out: a failed call has none. added: facts by name, one per frame.
    """
    kind = Labels if isinstance(artifact, Labels) else Candidates
    names = [v for v in kind.variables() if v.name in FACTS and hasattr(artifact, v.name)]
    columns = {v.name: _plain(v, getattr(artifact, v.name)) for v in names}
    theories = artifact.theory_ids if isinstance(artifact, Labels) else []
    for row in range(len(artifact)):
        values = {name: column[row] for name, column in columns.items()}
        if isinstance(artifact, Labels):
            values |= {"theory_id": theories[row], **_results(artifact, row)}
        values |= {name: column[row] for name, column in (added or {}).items()}
        one = artifact[row]
        yield Frame(one.numbers, one.positions, one.cell, one.pbc, values)


def _plain(variable: Variable, column: Array) -> list[Any]:
    if "hash" in variable.dims:
        return list(digest.to_hex(column))
    if variable.flags:
        return [variable.flags[int(value)] for value in column]
    return list(column.tolist())


def _results(labels: Labels, row: int) -> dict[str, Any]:
    found = {
        "energy": float(labels.energy[row]),
        "forces": labels.forces[labels.atoms_of(row)],
        "stress": labels.stress[row],
    }
    return {name: value for name, value in found.items() if not np.isnan(value).any()}


def blocks(frames: Iterable[Frame], size: int) -> Iterator[list[Frame]]:
    """The frames in lists of at most `size`, so that a large file never lies in memory."""
    block: list[Frame] = []
    for frame in frames:
        block.append(frame)
        if len(block) == size:
            yield block
            block = []
    if block:
        yield block


def frame_of_atoms(atoms: Atoms) -> Frame:
    """A frame from `ase.Atoms`: info, arrays and calculator results are its values.

    A calculator's six stress components are in ASE's order, whatever the file's: they become a tensor,
    so that nobody permutes them again.
    """
    results = atoms.calc.results if atoms.calc is not None else {}
    arrays = {k: v for k, v in atoms.arrays.items() if k not in {"numbers", "positions"}}
    values = {**atoms.info, **arrays, **{k: v for k, v in results.items() if v is not None}}
    stress = results.get("stress")
    if stress is not None and np.shape(stress) == (6,):
        values["stress"] = tensor(stress)
    return Frame(atoms.numbers, atoms.positions, atoms.cell.array, atoms.pbc, values)


def atoms_of(frame: Frame) -> Atoms:
    """`ase.Atoms` with the results in a calculator and the rest in `info`."""
    from ase import Atoms
    from ase.calculators.singlepoint import SinglePointCalculator

    atoms = Atoms(numbers=frame.numbers, positions=frame.positions, cell=frame.cell, pbc=frame.pbc)
    atoms.info.update({k: v for k, v in frame.values.items() if k not in RESULTS})
    results = {k: v for k, v in frame.values.items() if k in RESULTS}
    if results:
        atoms.calc = SinglePointCalculator(atoms, **results)
    return atoms
