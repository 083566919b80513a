"""What a verification found: links that do not hold, and what could not be looked at."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Broken:
    """A link of the chain that does not hold: where, what was expected and what was found."""

    where: str
    problem: str

    def __str__(self) -> str:
        return f"{self.where}: {self.problem}"


@dataclass
class Findings:
    """Counts of what was recomputed, by kind; broken links; what is missing; remarks."""

    checked: Counter[str] = field(default_factory=Counter)
    broken: list[Broken] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)

    def breaks(self, where: str, problem: str) -> None:
        """Note a link that does not hold, once."""
        item = Broken(where, problem)
        if item not in self.broken:
            self.broken.append(item)

    def lacks(self, what: str) -> None:
        """Note something that is not on this machine, once."""
        if what not in self.missing:
            self.missing.append(what)

    def first(self, content: str) -> bool:
        """Whether this content, by its hash, was not looked at before."""
        new = content not in self.seen
        self.seen.add(content)
        return new

    def content(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "checked": dict(self.checked),
            "broken": [vars(item) for item in self.broken],
            "missing": self.missing,
            "notes": self.notes,
        }
