"""Places in a listing by name: a cursor names the row after which to go on."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from services.model.errors import ValidationFailed
from services.model.ids import parse_uuid
from services.model.paging import Page, PageRequest

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Place:
    """A row in the order of name (by code point), then id (a UUID)."""

    name: str
    id: str


def write_place(place: Place) -> str:
    """Opaque to clients."""
    text = json.dumps([place.name, place.id], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read_place(cursor: str) -> Place | None:
    """What `write_place` wrote; None for the empty cursor. Raises `ValidationFailed`."""
    if not cursor:
        return None
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        name, ident = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        if not isinstance(name, str) or "\0" in name or not isinstance(ident, str):
            raise TypeError
        name.encode()
        return Place(name, parse_uuid(ident, field="cursor"))
    except (ValueError, TypeError, binascii.Error, RecursionError, ValidationFailed):
        raise ValidationFailed.of("cursor", "is not one that a listing gave out") from None


def page_of(rows: Sequence[Row], total: int, asked: PageRequest, place: Callable[[Row], Place]) -> Page[Row]:
    """The page, from rows of which one more than wanted was looked up to tell whether there are more."""
    shown, more = rows[: asked.limit], len(rows) > asked.limit
    return Page(shown, total, has_more=more, next_cursor=write_place(place(shown[-1])) if more else "")
