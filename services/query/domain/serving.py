"""Whether a document's bytes are handed out."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from services.model.errors import (
    ArtStoreError,
    FileDamaged,
    FileDeleted,
    FileExpired,
    FileMissing,
    RangeNotSatisfiable,
)
from services.model.files import ByteRange, FileAttributes, FileStatus

_REFUSALS: Mapping[FileStatus, tuple[type[ArtStoreError], str]] = {
    FileStatus.DELETED: (FileDeleted, "the document was deleted"),
    FileStatus.EXPIRED: (FileExpired, "the document's time has passed"),
    FileStatus.MISSING: (FileMissing, "the document's content is missing from its storage element"),
    FileStatus.DAMAGED: (FileDamaged, "the document's content is damaged and is not served"),
}


def require_served(file: FileAttributes, now: datetime) -> None:
    """Raise `FileDeleted`, `FileExpired`, `FileMissing` or `FileDamaged` unless the document is active at `now`."""
    status = file.status_at(now)
    if status in _REFUSALS:
        error, message = _REFUSALS[status]
        raise error(message)


def require_the_same(served: FileAttributes, registered: FileAttributes) -> None:
    """Raise `FileDamaged` unless an element serves the content that was registered: content never changes.

    An element vouches for its bytes with attributes of its own; this holds against whoever has rewritten both.
    """
    if any(getattr(served, name) != getattr(registered, name) for name in ("file_id", "size", "sha256")):
        raise FileDamaged("the document's content is another one than was stored, and is not served")


def require_within(wanted: ByteRange | None, size: int) -> None:
    """Raise `RangeNotSatisfiable` unless all wanted bytes exist in a document of `size` bytes."""
    if wanted is not None and wanted.last >= size:
        raise RangeNotSatisfiable(f"the document has {size} bytes; the range must lie within them")
