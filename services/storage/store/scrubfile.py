"""`scrub.json`: how far the scrub has come. Sealed, replaced whole.

    {"began_at":"2026-11-21T01:30:00.000Z","before":"…","after":"0198…","complete":false,"attr_sha256":"…"}

One that is lost or cannot be trusted costs one round from the beginning.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from datetime import datetime

from services.chassis.logs import get_logger
from services.model.errors import StorageUnavailable, ValidationFailed
from services.model.ids import FileId, parse_file_id
from services.storage.domain.documents import write_time
from services.storage.domain.scrubbing import Round
from services.storage.domain.seal import seal
from services.storage.store.durable import sync_folder, write_file
from services.storage.store.files import Parts
from services.storage.store.index import IndexFailed
from services.storage.store.refusal import ElementRefused
from services.storage.store.sealed import read_sealed

BATCH = 500

log = get_logger(__name__)


class ScrubFile:
    """Fills `ports.Scrubbing`."""

    def __init__(self, parts: Parts) -> None:
        self._charge, self._index, self._reads, self._writes = parts.charge, parts.index, parts.reads, parts.writes
        self._fs, self._layout, self._reserve = parts.fs, parts.layout, parts.reserve

    async def round(self) -> Round | None:
        return await self._reads.run(self._read)

    async def keep(self, present: Round) -> None:
        await self._writes.run(self._reserve.spending, self._keep, present)

    async def files(self, after: FileId | None) -> AsyncIterator[tuple[FileId, datetime]]:
        while found := await self._reads.run(self._files, after):
            for each in found:
                yield each
            after = found[-1][0]

    async def verified(self, file_id: FileId, at: datetime) -> None:
        await self._reads.run(self._index.put_verified, file_id, at)

    def _files(self, after: FileId | None) -> list[tuple[FileId, datetime]]:
        if not self._index.complete:
            raise StorageUnavailable("the storage element's index is being made; try again", retry_after=10)
        try:
            return self._index.judged(after, BATCH)
        except IndexFailed as error:
            raise StorageUnavailable("the storage element's index does not answer", retry_after=10) from error

    def _read(self) -> Round | None:
        try:
            members = read_sealed(self._fs, self._layout.scrub)
            if members is None:
                return None
            before, after = members["before"], members["after"]
            return Round(
                began_at=datetime.fromisoformat(members["began_at"]),
                before=None if before is None else datetime.fromisoformat(before),
                after=None if after is None else parse_file_id(after),
                complete=bool(members["complete"]),
            )
        except (ElementRefused, KeyError, ValueError, TypeError, ValidationFailed) as error:
            log.warning("scrub.json cannot be trusted: the round begins anew", reason=str(error))
            return None

    def _keep(self, present: Round) -> None:
        fs, layout, writing = self._fs, self._layout, self._charge.writing
        temporary = layout.temporaries(writing.epoch) / "scrub.json"
        text = seal(
            {
                "began_at": write_time(present.began_at),
                "before": write_time(present.before),
                "after": present.after,
                "complete": present.complete,
            }
        )
        with writing.disk.health.preparing():
            with contextlib.suppress(FileNotFoundError):
                fs.unlink(temporary)  # of an attempt that the full disk refused
            write_file(fs, temporary, text)
            fs.rename(temporary, layout.scrub)
            sync_folder(fs, layout.root)
