"""Cursors of listings: the position of the last row of a page, opaque to whoever holds it."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

from services.model.errors import ValidationFailed
from services.model.ids import FileId, parse_file_id


@dataclass(frozen=True, slots=True)
class Position:
    """A row's place in the order of upload."""

    uploaded_ms: int
    """Milliseconds since 1970, UTC."""
    file_id: FileId


def write_cursor(position: Position) -> str:
    """The text of a cursor."""
    return base64.urlsafe_b64encode(f"{position.uploaded_ms} {position.file_id}".encode()).decode().rstrip("=")


def read_cursor(text: str) -> Position:
    """The position that a cursor names. Raises `ValidationFailed` for one that is not ours."""
    try:
        padded = text.encode("ascii") + b"=" * (-len(text) % 4)
        uploaded_ms, file_id = base64.b64decode(padded, b"-_", validate=True).decode("ascii").split(" ")
        position = Position(int(uploaded_ms), parse_file_id(file_id))
    except (ValueError, binascii.Error, ValidationFailed):
        raise ValidationFailed.of("cursor", "is not one that was given out here") from None
    if abs(position.uploaded_ms) >= 2**62:
        raise ValidationFailed.of("cursor", "is not one that was given out here")
    return position
