"""A bounded number of streams of bytes at a time: what is too much is refused at once, and said so.

Each stream holds some hundred KiB to a MiB for as long as its peer does not go on, and a connection has a limit of
streams beyond which gRPC lets calls wait without a word until their time is over.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.model.errors import ArtStoreError, ServiceUnavailable

PATIENCE = 1.0
"""Seconds that one who finds all places taken waits for one: short documents come and go in milliseconds."""
COME_BACK = 5.0
"""Seconds after which asking again makes sense."""


class Places:
    """Shared by the streams of a process that go the same way."""

    def __init__(
        self, most: int, *, refusal: type[ArtStoreError] = ServiceUnavailable, patience: float = PATIENCE
    ) -> None:
        """`most`: streams at a time. `refusal`: what the next one is told."""
        self._free = asyncio.Semaphore(most)
        self._refusal = refusal
        self._patience = patience

    @asynccontextmanager
    async def taken(self) -> AsyncIterator[None]:
        """Around a stream. Raises the refusal when none has become free within the patience."""
        try:
            async with asyncio.timeout(self._patience):
                await self._free.acquire()
        except TimeoutError:
            raise self._refusal(
                "as many documents are being transferred as can be at a time; try again", retry_after=COME_BACK
            ) from None
        try:
            yield
        finally:
            self._free.release()
