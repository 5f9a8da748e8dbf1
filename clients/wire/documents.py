"""Documents as they lie on an element's disk (docs/storage-format.md), read by those who take many of them over."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from services.model.errors import ValidationFailed
from services.model.files import FileAttributes
from services.model.ids import parse_file_id

DOCUMENT_VERSION: Final = 1
"""The latest schema version that is read here."""

_FILE_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_PERMANENT = b'"ttl_days":null'


class _Life(msgspec.Struct, frozen=True, gc=False):
    """What the model says in another way."""

    ttl_days: int | float | None


_FILES = msgspec.json.Decoder(FileAttributes)
_LIVES = msgspec.json.Decoder(_Life)


def file_from_document(text: bytes) -> FileAttributes:
    """Every attribute. Raises `ValidationFailed`. The seal is the element's to check, which alone repairs anything."""
    try:
        # Straight into the model's own class: a million of them come in one sync.
        file = _FILES.decode(text)
        if _PERMANENT not in text:
            days = _LIVES.decode(text).ttl_days
            # It is nobody else's yet; to make a second one would cost more than to read it.
            object.__setattr__(file, "ttl", None if days is None else timedelta(days=days))
        _check(file)
    except (msgspec.MsgspecError, ValueError, OverflowError, RecursionError) as error:
        raise ValidationFailed(f"a document cannot be understood: {error}") from None
    return file


def _check(file: FileAttributes) -> None:
    """What the types do not say."""
    if not _FILE_ID.fullmatch(file.file_id):
        object.__setattr__(file, "file_id", parse_file_id(file.file_id))
    # As they are written: one condition for what is looked at a million times.
    if file.uploaded_at.tzinfo is not UTC or file.updated_at.tzinfo is not UTC or file.expires_at or file.deleted_at:
        _set_zones(file)


def _set_zones(file: FileAttributes) -> None:
    for name in ("uploaded_at", "updated_at", "expires_at", "deleted_at"):
        time: datetime | None = getattr(file, name)
        if time is not None and time.tzinfo is not UTC:
            if time.tzinfo is None:
                raise ValueError("a time has no zone")
            object.__setattr__(file, name, time.astimezone(UTC))
