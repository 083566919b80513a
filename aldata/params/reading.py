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
        _check_mix(parameters, generation)
        _check_committee(parameters, generation)
        _check_asked(parameters, generation)
    return parameters


def parse(text: str, where: str) -> Parameters:
    """The parameters of another revision: checked, but for what makes them run here.

    Raises InvalidParameters that names every violation.
    """
    return Parameters.checked(_values(text, where), where)


def parent_in(text: str, generation: str) -> str:
    """The parent that the text of a params.yaml, of any version, names for `generation`.

    Nothing else in it is checked. Raises InvalidParameters for a generation that is not planned.
    """
    content = _values(text, "params.yaml")
    plan = content.get("generations") if isinstance(content, dict) else None
    entry = (plan or {}).get(generation)
    if not isinstance(entry, dict) or "parent" not in entry:
        raise InvalidParameters(
            f"there is no generation '{generation}'",
            where="params.yaml: generations",
            expected=f"one of: {', '.join(['seed', *(plan or {})])}",
            next_step=f"aldata advance --name {generation}",
        )
    return str(entry["parent"])


def _check_mix(parameters: Parameters, generation: str) -> None:
    """Raise InvalidParameters for a level of theory to mix that no fallback has."""
    curate, label = (parameters.settings_of(verb, generation) for verb in ("curate", "label"))
    mix, fallbacks = curate.content()["mix"], label.content()["fallbacks"]
    unknown = [name for name in mix if name not in fallbacks]
    if unknown:
        raise InvalidParameters(
            f"there is no fallback {', '.join(unknown)}",
            where=f"params.yaml: curate.mix (generation {generation})",
            expected=f"names of label.fallbacks: {', '.join(fallbacks) or '(none)'}",
        )


def _check_committee(parameters: Parameters, generation: str) -> None:
    """Raise InvalidParameters for a committee that cannot disagree: it would be certain of everything."""
    members = parameters.settings_of("train", generation).content()["members"]
    if parameters.uncertainty.method != "committee" or members > 1:
        return
    raise InvalidParameters(
        f"a committee of {members} cannot disagree: no strategy and no calibration can use it",
        where=f"params.yaml: train.members (generation {generation})",
        expected="at least 2 members, and 4 to be calibrated, for uncertainty.method: committee",
        next_step="train.members: 4, or uncertainty.method: last_layer (shallow, dropout), for which "
        "one member is enough",
    )


def _check_asked(parameters: Parameters, generation: str) -> None:
    """Raise InvalidParameters where exploration may ask for more than the batch that this counts in."""
    explore, acquire = (
        parameters.settings_of(verb, generation).content() for verb in ("explore", "acquire")
    )
    most, batch = explore["most_asked"], acquire["batch"]
    if explore["ask"] == "after" or most < batch:
        return
    raise InvalidParameters(
        f"{most} calls may be asked for during exploration, and the batch has {batch}",
        where=f"params.yaml: explore.most_asked (generation {generation})",
        expected="fewer than acquire.batch: they count in it, and the probe must have a place",
        next_step="a smaller explore.most_asked, or a larger acquire.batch",
    )


def parsed(path: Path) -> Any:
    """The YAML document as plain values. Raises InvalidParameters."""
    try:
        return _values(path.read_text(encoding="utf-8"), str(path))
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
    except UnicodeDecodeError as problem:
        raise InvalidParameters(f"not valid YAML: {problem}", where=str(path)) from None


def _values(text: str, where: str) -> Any:
    from ruamel.yaml import YAML, YAMLError

    try:
        return YAML(typ="safe", pure=True).load(text)
    except YAMLError as problem:
        raise InvalidParameters(f"not valid YAML: {problem}", where=where) from None


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
