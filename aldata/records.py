"""Strict, frozen records: settings and documents share one way to be checked, merged and hashed."""

from __future__ import annotations

from typing import Any, Self, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from aldata import digest
from aldata.errors import AldataError, InvalidParameters


class Record(BaseModel):
    """A frozen record that refuses unknown keys; equal content has an equal `digest`."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False, allow_inf_nan=False)

    def content(self) -> dict[str, Any]:
        """The record as plain JSON-able values."""
        return self.model_dump(mode="json")

    def stored(self) -> dict[str, Any]:
        """What a file of the record holds: the content, or something shorter that is read as it."""
        return self.content()

    @property
    def digest(self) -> str:
        """sha256 of the canonical JSON of the content."""
        return digest.of_json(self.content())

    @classmethod
    def checked(
        cls,
        content: Any,
        where: str,
        error: type[AldataError] = InvalidParameters,
        next_step: str | None = None,
    ) -> Self:
        """Build the record from parsed JSON or YAML, or raise one error that names every violation."""
        try:
            return cls.model_validate(content)
        except ValidationError as problem:
            raise error(_violations(cls, problem), where=where, next_step=next_step) from None


def merged(default: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """`default` with `changes` laid over it; mappings merge, everything else is replaced."""
    result = dict(default)
    for key, value in changes.items():
        old = result.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            result[key] = merged(old, value)
        else:
            result[key] = value
    return result


def _violations(model: type[BaseModel], problem: ValidationError) -> str:
    lines = [_violation(model, dict(item)) for item in problem.errors()]
    if len(lines) == 1:
        return lines[0]
    return f"{len(lines)} problems:\n  - " + "\n  - ".join(lines)


def _violation(model: type[BaseModel], item: dict[str, Any]) -> str:
    path = ".".join(str(part) for part in item["loc"]) or "the record"
    if item["type"] == "extra_forbidden":
        known = _fields_at(model, item["loc"][:-1])
        choices = f"; one of: {', '.join(sorted(known))}" if known else ""
        return f"unknown name '{path}'{choices}"
    if item["type"] == "missing":
        return f"'{path}' is missing"
    message = item["msg"].removeprefix("Value error, ")
    if not item["loc"] and isinstance(item["input"], dict):
        return str(message)  # it is about several settings: the message names them
    return f"'{path}': {message} (got {item['input']!r:.120})"


def _fields_at(model: type[BaseModel], location: tuple[Any, ...]) -> list[str]:
    """Names of the fields of the record that lies at `location` inside `model`.

    In a list of records of several kinds the location names the place and then the kind.
    """
    current: Any = model
    for part in location:
        inside = _records_in(current)
        if part in (named := {_kind(record): record for record in inside}):
            current = named[part]
        elif not isinstance(part, int):
            field = getattr(inside[0], "model_fields", {}).get(part) if inside else None
            if field is None:
                return []
            current = field.annotation
    found = _records_in(current)
    return list(found[0].model_fields) if len(found) == 1 else []


def _records_in(annotation: Any) -> list[type[BaseModel]]:
    """The record classes in a type: itself, or what a list or a union of them holds."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [record for part in get_args(annotation) for record in _records_in(part)]


def _kind(record: type[BaseModel]) -> Any:
    """What a record of a list of several kinds is called by."""
    field = record.model_fields.get("name")
    return None if field is None else field.default
