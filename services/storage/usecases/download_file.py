"""Download: header, chunks, trailer. A full read whose digest differs ends in an error, never in a trailer."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass

from services.model.clock import Clock
from services.model.errors import FileDamaged, FileMissing
from services.model.files import ByteRange, DownloadTrailer, FileAttributes
from services.model.ids import FileId
from services.storage.domain import changes
from services.storage.domain.modes import Operation
from services.storage.ports import Files
from services.storage.usecases.mode_gate import ModeGate


@dataclass(frozen=True, slots=True)
class DownloadHeader:
    """What follows."""

    file: FileAttributes
    range: ByteRange | None
    """None: all bytes follow."""


Frame = DownloadHeader | bytes | DownloadTrailer


class DownloadFile:
    """Give a file's content, checked on the way."""

    def __init__(self, *, gate: ModeGate, files: Files, clock: Clock, suspect: Callable[[FileId], None]) -> None:
        """`suspect` is told of files whose bytes are not what they should be."""
        self._gate, self._files, self._clock, self._suspect = gate, files, clock, suspect

    async def __call__(self, file_id: FileId, wanted: ByteRange | None) -> AsyncGenerator[Frame, None]:
        """Header, chunks of at most 1 MiB, trailer. `wanted` None: the whole file.

        Raises `NotFound`, `FileDeleted`, `FileExpired`, `FileDamaged`, `FileMissing`, `ModeNotAllowed`,
        `RangeNotSatisfiable`, `StorageUnavailable`; of these, damage and a failing disk may show in the middle.
        """
        self._gate.require(Operation.DOWNLOAD)
        document = await self._files.find(file_id)
        file = document.attributes
        changes.require_servable(file, self._clock.now())
        part = changes.resolve(wanted, file.size)
        whole = part is None or len(part) == file.size
        sent = 0
        try:
            async with self._files.content(document, part, hashed=whole) as content:
                yield DownloadHeader(file, part)
                while chunk := await content.read():
                    sent += len(chunk)
                    yield chunk
                if sent != (file.size if part is None else len(part)) or (whole and content.sha256 != file.sha256):
                    raise FileDamaged("the file's bytes differ from its digest; what was sent is not to be used")
            yield DownloadTrailer(sent, file.sha256 if whole else None)
        except (FileDamaged, FileMissing):
            self._suspect(file_id)
            raise
