"""What an upload must be: its id, its size as declared and as it comes, its end."""

from __future__ import annotations

from datetime import datetime, timedelta

from services.model.errors import ChecksumMismatch, FileTooLarge, ValidationFailed
from services.model.ids import FileId, file_id_time

MAX_CHUNK_BYTES = 1 << 20
AHEAD = timedelta(hours=24)
"""How far the time in an id may be ahead of ours: whoever makes ids may have another clock, but not another day."""


def check_new_id(file_id: FileId, now: datetime) -> None:
    """Raise `ValidationFailed` if the time inside a new file's id is absurd; it decides the file's folder for ever."""
    try:
        ahead = file_id_time(file_id) - now
    except OverflowError:
        ahead = timedelta.max
    if ahead > AHEAD:
        raise ValidationFailed.of("file_id", "the time inside the UUID lies more than 24 hours in the future")


class SizeLimit:
    """Follows an upload's size, and refuses at the byte that passes a limit."""

    def __init__(self, *, declared: int | None, most: int) -> None:
        """`declared`: as the header says, if it does; `most`: the element's limit. Raises `FileTooLarge`."""
        self._declared, self._most = declared, most
        self.received = 0
        if declared is not None and declared > most:
            raise FileTooLarge(f"the file has {declared} bytes; at most {most} are taken here")

    def add(self, length: int) -> None:
        """Count a chunk that has come. Raises `ValidationFailed`, `FileTooLarge`, `ChecksumMismatch`."""
        if length > MAX_CHUNK_BYTES:
            raise ValidationFailed.of("chunk", f"has {length} bytes; at most {MAX_CHUNK_BYTES} are taken")
        self.received += length
        if self.received > self._most:
            raise FileTooLarge(f"the file has more than {self._most} bytes, the most that are taken here")
        if self._declared is not None and self.received > self._declared:
            raise ChecksumMismatch(f"more bytes came than the {self._declared} declared; nothing was kept")


def check_commit(*, declared: int | None, said: int, received: int) -> None:
    """Raise `ChecksumMismatch` unless what has come is as long as the header and the commit say."""
    for size in (declared, said):
        if size is not None and size != received:
            raise ChecksumMismatch(f"{received} bytes came, {size} were declared; nothing was kept")


def check_digest(*, said: str | None, found: str) -> None:
    """Raise `ChecksumMismatch` if the commit names a SHA-256 that the content does not have."""
    if said is not None and said != found:
        raise ChecksumMismatch("the content does not have the declared SHA-256; nothing was kept")
