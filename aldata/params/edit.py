"""Edit `params.yaml` as a person would: comments, order and quotes are kept."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aldata.errors import InvalidParameters
from aldata.params.model import BEHAVIOUR, SEED, VERBS, Parameters


def next_name(parameters: Parameters) -> str:
    """The first free name of the form g000, g001, ... after the highest number in use."""
    numbers = [int(m[1]) for n in parameters.generations if (m := re.match(r"g(\d+)", n))]
    return f"g{max(numbers, default=-1) + 1:03d}"


def add_generation(
    path: Path,
    parameters: Parameters,
    name: str,
    parent: str,
    changes: Mapping[str, dict[str, Any]] | None = None,
) -> None:
    """Add an entry with every verb's key (`{}`: nothing differs) to the plan in the file.

    changes : settings of verbs that differ from the default.
    Raises InvalidParameters when the name is taken or the parent is not there; the file is then
    unchanged.
    """
    if name in parameters.generations:
        raise InvalidParameters(
            f"generation '{name}' exists already",
            where=f"{path.name}: generations",
            next_step="choose another --name, or run dvc repro to compute it",
        )
    if parent != SEED and parent not in parameters.generations:
        raise InvalidParameters(
            f"there is no generation '{parent}' to start from",
            where=f"{path.name}: generations",
            expected=f"one of: {', '.join([SEED, *parameters.generations])}",
        )
    entry: dict[str, Any] = {"parent": parent, **{verb: {} for verb in VERBS}, **(changes or {})}
    content = parameters.content()
    content["generations"] = {**content["generations"], name: entry}
    Parameters.checked(content, path.name)

    def change(document: Any) -> None:
        if document.get("generations") is None:
            document["generations"] = {}
        document["generations"][name] = _flow(entry)

    _edited(path, change)


def set_behaviour(path: Path) -> None:
    """Write this library's behaviour versions into the file."""

    def change(document: Any) -> None:
        document["behaviour"] = _flow(dict(BEHAVIOUR))

    _edited(path, change)


def _flow(mapping: dict[str, Any]) -> Any:
    """A mapping that is written on one line."""
    from ruamel.yaml.comments import CommentedMap

    node = CommentedMap({k: _flow(v) if isinstance(v, dict) else v for k, v in mapping.items()})
    node.fa.set_flow_style()
    return node


def _write_null(representer: Any, _: None) -> Any:
    return representer.represent_scalar("tag:yaml.org,2002:null", "null")


def _edited(path: Path, change: Any) -> None:
    from ruamel.yaml import YAML

    yaml = YAML(typ="rt")
    yaml.preserve_quotes = True
    yaml.width = 4096
    # ruamel would write null as nothing, which changes lines that nobody touched
    yaml.representer.add_representer(type(None), _write_null)
    document = yaml.load(path.read_text(encoding="utf-8"))
    change(document)
    text = io.StringIO()
    yaml.dump(document, text)
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(text.getvalue(), encoding="utf-8")
    temporary.replace(path)


def with_values(parameters: Parameters, values: dict[str, Any]) -> Parameters:
    """The parameters with values set by dotted name, checked. Raises InvalidParameters."""
    content = parameters.content()
    for name, value in values.items():
        *sections, last = name.split(".")
        node = content
        for section in sections:
            node = node[section]
        node[last] = value
    return Parameters.checked(content, "params.yaml")


def set_values(path: Path, values: dict[str, Any]) -> None:
    """Set values by dotted name in the file: {"seed.charge": -1, "explore.samplers.0.steps": 900}."""

    def change(document: Any) -> None:
        for name, value in values.items():
            *sections, last = name.split(".")
            node = document
            for section in sections:
                if isinstance(node, list):
                    node = node[int(section)]
                    continue
                if node.get(section) is None:
                    node[section] = {}
                node = node[section]
            node[int(last) if isinstance(node, list) else last] = value

    _edited(path, change)
