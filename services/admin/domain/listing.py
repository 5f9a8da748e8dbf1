"""Pages of the element list: a cursor names the row after which to go on."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass

from services.model.elements import ElementStatus, Mode
from services.model.errors import ValidationFailed
from services.model.files import RetentionPolicy
from services.model.ids import ElementId, parse_element_id

HOLDING: Mapping[RetentionPolicy, frozenset[Mode]] = {
    RetentionPolicy.TEMPORARY: frozenset({Mode.EDIT}),
    RetentionPolicy.PERMANENT: frozenset({Mode.RW, Mode.RO, Mode.AR}),
}
"""Where files of a policy lie: nothing leads into edit or out of it."""


@dataclass(frozen=True, slots=True)
class ElementFilter:
    """Which elements are wanted; None: all."""

    mode: Mode | None = None
    status: ElementStatus | None = None
    policy: RetentionPolicy | None = None

    @property
    def modes(self) -> frozenset[Mode] | None:
        """The modes that are wanted; None: all."""
        if self.policy is None:
            return None if self.mode is None else frozenset({self.mode})
        holding = HOLDING[self.policy]
        return holding if self.mode is None else holding & {self.mode}


@dataclass(frozen=True, slots=True)
class Position:
    """A row in the order of name (by code point), then id."""

    name: str
    element_id: ElementId


def write_cursor(position: Position) -> str:
    """Opaque to clients."""
    text = json.dumps([position.name, position.element_id], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read_cursor(cursor: str) -> Position:
    """What `write_cursor` wrote. Raises `ValidationFailed`."""
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        name, element_id = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        if not isinstance(name, str) or "\0" in name or not isinstance(element_id, str):
            raise TypeError
        name.encode()
        return Position(name, parse_element_id(element_id))
    except (ValueError, TypeError, binascii.Error, RecursionError, ValidationFailed):
        raise ValidationFailed.of("cursor", "is not one that a listing gave out") from None
