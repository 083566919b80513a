"""Read `params.yaml` and check all of it before any work starts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from aldata.errors import InvalidParameters
from aldata.params.model import BEHAVIOUR, VERBS, Parameters


def load(path: Path) -> Parameters:
    """The checked parameters. Raises InvalidParameters that names every violation."""
    parameters = Parameters.checked(parsed(path), str(path.name))
    _check_behaviour(parameters, path)
    for generation in parameters.generations:
        for verb in VERBS:
            parameters.settings_of(verb, generation)
    return parameters


def parsed(path: Path) -> Any:
    """The YAML document as plain values. Raises InvalidParameters."""
    from ruamel.yaml import YAML, YAMLError

    try:
        return YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InvalidParameters(
            "there is no params.yaml here",
            where=str(path.parent.resolve()),
            next_step="go to the project's folder, or make one: aldata init DIR",
        ) from None
    except OSError as problem:
        raise InvalidParameters(
            f"cannot be read: {problem.strerror or problem}", where=str(path)
        ) from None
    except (YAMLError, UnicodeDecodeError) as problem:
        raise InvalidParameters(f"not valid YAML: {problem}", where=str(path)) from None


def _check_behaviour(parameters: Parameters, path: Path) -> None:
    """A project made for another behaviour of a verb must not run on this one unnoticed."""
    found = parameters.behaviour
    if found == BEHAVIOUR:
        return
    differences = [
        f"{verb}: {found.get(verb, 'missing')} in the project, {BEHAVIOUR.get(verb, 'none')} in aldata"
        for verb in sorted({*found, *BEHAVIOUR})
        if found.get(verb) != BEHAVIOUR.get(verb)
    ]
    raise InvalidParameters(
        f"made for another version of aldata ({'; '.join(differences)})",
        where=f"{path.name}: behaviour",
        next_step="aldata upgrade  (shows what will be computed again), or install the older aldata",
    )
