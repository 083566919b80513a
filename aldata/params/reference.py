"""The reference of all parameters, written from the settings themselves.

python -m aldata.params.reference > docs/parameters.md
python -m aldata.params.reference docs/oracles.md    (its tables, in place)
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from aldata import describe
from aldata.acquire.strategies import STRATEGIES
from aldata.explore.settings import OF_SAMPLERS
from aldata.label.oracles import ORACLES
from aldata.params.model import SETTINGS, OracleChoice
from aldata.potentials import UncertaintySettings
from aldata.potentials.uncertainty import NAMES
from aldata.records import Record
from aldata.seed.settings import SeedSettings

HEAD = """\
# Parameters

Every setting of `params.yaml`, with its default. Units: Angstrom, eV, fs, K; `(1)` has none. A generation
can differ from a default: `generations.<name>.<verb>`. This page is written by
`python -m aldata.params.reference` from the settings themselves. Each oracle's own settings are in
[oracles.md](oracles.md).
"""

MARKED = re.compile(r"(<!-- settings of (\w+) -->\n)(?:\|.*\n)*")
"""Where a page wants the table of an oracle's settings."""

CHOICES: dict[str, list[str]] = {
    "acquire": list(STRATEGIES),
    "describe": list(describe.NAMES),
    "uncertainty": list(NAMES),
}
"""Sections with interchangeable ways, and the names of these."""


def page() -> str:
    """The page, in Markdown."""
    sections: dict[str, type[Record]] = {"seed": SeedSettings, "oracle": OracleChoice}
    sections |= {"uncertainty": UncertaintySettings, **SETTINGS}
    parts = [HEAD]
    for name, record in sections.items():
        parts.append(f"\n## {name}\n\n{_summary(record)}\n\n{table(record)}")
        if name in CHOICES:
            parts.append(f"\nChoices: {', '.join(f'`{choice}`' for choice in CHOICES[name])}.\n")
        if name == "explore":
            parts += [
                f"\n### {name}.samplers: {sampler.model_fields['name'].default}\n\n"
                f"{_summary(sampler)}\n\n{table(sampler)}"
                for sampler in OF_SAMPLERS
            ]
    return "".join(parts)


def with_oracles(text: str) -> str:
    """A page with the table of each oracle's settings after its `<!-- settings of NAME -->`."""
    return MARKED.sub(lambda found: found[1] + table(ORACLES[found[2]].SETTINGS), text)


def _summary(record: type[Record]) -> str:
    return (record.__doc__ or "").strip().split("\n\n")[0].replace("\n    ", " ")


def table(record: type[Record]) -> str:
    """All settings of a record as a table in Markdown."""
    rows = [f"| `{name}` | `{default}` | {text} |" for name, default, text in _rows(record)]
    return "\n".join(["| name | default | meaning |", "|---|---|---|", *rows]) + "\n"


def _rows(record: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, str, str]]:
    for name, field in record.model_fields.items():
        inner = _record_in(field.annotation)
        if inner is not None:
            yield from _rows(inner, f"{prefix}{name}.")
        else:
            yield prefix + name, _default(field), (field.description or "").replace("|", "or")


def _record_in(annotation: Any) -> type[Record] | None:
    """The settings class that a field nests, also when the field may be null."""
    for part in (annotation, *getattr(annotation, "__args__", ())):
        if isinstance(part, type) and issubclass(part, Record) and annotation.__class__ is not list:
            return None if getattr(annotation, "__origin__", None) is list else part
    return None


def _default(field: FieldInfo) -> str:
    if field.default_factory is not None:
        return "by calculator"
    if field.default is PydanticUndefined:
        return "needed"
    return json.dumps(field.default, default=lambda record: record.name)


if __name__ == "__main__":
    if sys.argv[1:]:
        file = Path(sys.argv[1])
        file.write_text(with_oracles(file.read_text()))
    else:
        print(page(), end="")
