"""Write the tables of docs/format.md from the schema: `python docs/format_tables.py`."""

from __future__ import annotations

from pathlib import Path

from aldata.artifacts.schema import KINDS, Variable

PAGE = Path(__file__).with_name("format.md")
BEGIN = "<!-- tables: made by `python docs/format_tables.py` -->\n"
END = "<!-- end of tables -->\n"


def row(variable: Variable) -> str:
    """One line of a table."""
    meaning = variable.meaning
    if variable.flags:
        meaning += ": " + ", ".join(f"{value} {name}" for value, name in enumerate(variable.flags))
    dims = ", ".join(variable.dims)
    return f"| `{variable.name}` | {dims} | {variable.dtype} | {variable.unit} | {meaning} |"


def tables() -> str:
    """All kinds and their variables, as Markdown."""
    head = "| array | dimensions | type | unit | meaning |\n|---|---|---|---|---|\n"
    parts = [f"### {kind}\n\n{head}" + "\n".join(map(row, KINDS[kind])) + "\n" for kind in KINDS]
    return "\n" + "\n".join(parts) + "\n"


def with_tables(text: str) -> str:
    """The page with the tables of this schema."""
    before, rest = text.split(BEGIN)
    return before + BEGIN + tables() + END + rest.split(END)[1]


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
