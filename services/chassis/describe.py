"""What a process may be told, as a table: `python -m services.<name> --describe`, and docs/settings.md."""

from __future__ import annotations

import types
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BeforeValidator, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings

from services.chassis.settings import parse_size

REQUIRED = "required"
"""Stands where a default would be."""
UNSET = "unset"

_UNITS = ((1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))
_PERIODS = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"))
_WORDS: dict[type, str] = {bool: "true or false", float: "number", Path: "path", SecretStr: "text, secret"}


@dataclass(frozen=True, slots=True)
class Row:
    """One setting."""

    variable: str
    """Of the environment."""
    type: str
    default: str
    """As it would be written, or `REQUIRED`, or `UNSET`."""
    description: str


def rows(*classes: type[BaseSettings]) -> list[Row]:
    """Every setting of these classes, each once, in their order."""
    found: dict[str, Row] = {}
    for cls in classes:
        prefix = cls.model_config.get("env_prefix", "")
        for name, field in cls.model_fields.items():
            variable = f"{prefix}{name}".upper()
            found.setdefault(variable, Row(variable, _type(field), _default(field), field.description or ""))
    return list(found.values())


def text(table: Iterable[Row]) -> str:
    """The table for a terminal."""
    lines = [("VARIABLE", "TYPE", "DEFAULT", "DESCRIPTION")]
    lines += [(row.variable, row.type, row.default, row.description) for row in table]
    widths = [max(len(line[column]) for line in lines) for column in range(3)]
    return "".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(line, widths, strict=False)), line[3]]) + "\n"
        for line in lines
    )


def _type(field: FieldInfo) -> str:
    annotation = field.annotation
    if get_origin(annotation) in (Union, types.UnionType):
        annotation = next(each for each in get_args(annotation) if each is not type(None))
    if annotation is timedelta:
        return "duration"
    if annotation is int:
        return "size" if _is_size(field) else "integer"
    if get_origin(annotation) is Literal:
        return "one of " + ", ".join(str(each) for each in get_args(annotation))
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return "one of " + ", ".join(str(each.value) for each in annotation)
    return _WORDS.get(annotation, "text") if isinstance(annotation, type) else "text"


def _is_size(field: FieldInfo) -> bool:
    return any(isinstance(each, BeforeValidator) and each.func is parse_size for each in field.metadata)


def _default(field: FieldInfo) -> str:
    value: Any = field.default
    if value is PydanticUndefined:
        return REQUIRED
    if value is None:
        return UNSET
    if isinstance(value, timedelta):
        return _in_units(value.total_seconds(), _PERIODS, "s")
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, bool):
        return str(value).lower()
    return _in_units(value, _UNITS, "") if _is_size(field) else str(value)


def _in_units(value: float, units: tuple[tuple[int, str], ...], smallest: str) -> str:
    """As people write it: in the largest unit of which it is a whole number."""
    for size, unit in units:
        if value and value % size == 0:
            return f"{value / size:g}{unit}"
    return f"{value:g}{smallest}"
