"""Files whose bytes a reader found to be wrong are looked into at once, so that the damage is written down."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from services.chassis.logs import get_logger
from services.model.errors import ArtStoreError
from services.model.ids import FileId

MOST = 1000
"""Files that may wait; the scrub finds the others."""

log = get_logger(__name__)


class Suspects:
    """A short queue in front of `VerifyFile`."""

    def __init__(self, verify: Callable[[FileId], Awaitable[object]]) -> None:
        self._verify = verify
        self._waiting: asyncio.Queue[FileId] = asyncio.Queue(MOST)

    def report(self, file_id: FileId) -> None:
        """A reader did not get the bytes that the attributes name. Returns at once."""
        try:
            self._waiting.put_nowait(file_id)
        except asyncio.QueueFull:
            log.warning("too many files wait to be looked into", file_id=file_id)

    async def run(self) -> None:
        """Look into one after the other, until cancelled."""
        while True:
            file_id = await self._waiting.get()
            try:
                await self._verify(file_id)
            except ArtStoreError as error:
                log.warning("a suspect file could not be looked into", file_id=file_id, reason=error.message)
            except Exception:
                log.exception("a suspect file could not be looked into", file_id=file_id)
