"""Settings from ``name=value`` texts; what is wrong with one is said in one line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from pydantic import ValidationError

from napari_densify.core.base import Settings
from napari_densify.core.errors import InputError

__all__ = ["apply_overrides", "as_lists", "parse_pairs", "validated"]

S = TypeVar("S", bound=Settings)


def apply_overrides(settings: S, pairs: Iterable[str] | Mapping[str, Any]) -> S:
    """Return ``settings`` with ``name=value`` overrides parsed and validated.

    Parameters
    ----------
    settings
        Settings to start from.
    pairs
        ``name=value`` texts (values are read as JSON where possible, so
        ``patch=[16,64,64]`` or ``patch=16,64,64`` both work), or a mapping.

    Raises
    ------
    InputError
        For an unknown name, a value of the wrong type, or one out of bounds.
    """
    names = type(settings).model_fields
    pairs = dict(pairs) if isinstance(pairs, Mapping) else list(pairs)
    if isinstance(pairs, list) and "options" in names:  # part.name=value
        parts = [text for text in pairs if "." in text.partition("=")[0] and "=" in text]
        pairs = [text for text in pairs if text not in parts]
        settings = settings.model_copy(
            update={"options": (*settings.model_dump()["options"], *parts)}
        )
    changes = pairs if isinstance(pairs, dict) else _parse_for(type(settings), pairs)
    for name in changes:
        if name not in names:
            raise InputError(
                f"unknown setting {name!r}",
                where="--set",
                mend=f"one of: {', '.join(sorted(names))}",
            )
    return validated(type(settings), {**settings.model_dump(), **changes}, where="--set")


def _parse_for(model: type[Settings], pairs: list[str]) -> dict[str, Any]:
    """Parse pairs; ``none`` is a choice where the field has one of that name, else None."""
    values = parse_pairs(pairs)
    for name, value in values.items():
        field = model.model_fields.get(name)
        if value is None and field is not None and '"none"' in json.dumps(_schema(model, name)):
            values[name] = "none"
    return as_lists(model, values)


def as_lists(model: type[Settings], values: Mapping[str, Any]) -> dict[str, Any]:
    """Take a lone value of a field that is a list as a list of one."""
    return {
        name: [value] if isinstance(value, str | int | float) and _is_list(model, name) else value
        for name, value in values.items()
    }


def _is_list(model: type[Settings], name: str) -> bool:
    if name not in model.model_fields:
        return False
    schema = _schema(model, name)
    kinds = [part.get("type") for part in schema.get("anyOf", [schema])]
    return set(kinds) <= {"array", "null"}


def _schema(model: type[Settings], name: str) -> Any:
    return model.model_json_schema()["properties"][name]


def parse_pairs(pairs: Iterable[str]) -> dict[str, Any]:
    """Read ``name=value`` texts; values as JSON where possible, lists also as ``1,2,3``.

    Raises
    ------
    InputError
        If a text has no ``=``.
    """
    values: dict[str, Any] = {}
    for text in pairs:
        name, eq, value = text.partition("=")
        if not eq:
            raise InputError(f"{text!r} is not name=value", where="--set")
        values[name.strip().replace("-", "_")] = _parse_value(value.strip())
    return values


def validated(model: type[S], values: Mapping[str, Any], *, where: str) -> S:
    """Build a settings model; a validation error becomes one clear line."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise InputError(
            f"{name} = {first['input']!r} is not valid: {first['msg'].lower()}", where=where
        ) from None


def _parse_value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        pass
    if text.lower() in {"none", ""}:
        return None
    if "," in text:
        return [_parse_value(part.strip()) for part in text.split(",") if part.strip()]
    return text
