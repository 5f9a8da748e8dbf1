"""How many calls are being served: what a drain waits for, since gRPC itself forgets a call too early.

gRPC counts a call as ended once its caller has gone or it was aborted, while its servicer may still clean up or finish
what must be finished.
"""

from __future__ import annotations

import asyncio


class InFlight:
    """Counts calls. Enter it around each one."""

    def __init__(self) -> None:
        self._count = 0
        self._none = asyncio.Event()
        self._none.set()

    def __len__(self) -> int:
        return self._count

    def __enter__(self) -> None:
        self._count += 1
        self._none.clear()

    def __exit__(self, *_: object) -> None:
        self._count -= 1
        if not self._count:
            self._none.set()

    async def ended(self, seconds: float) -> bool:
        """Whether all calls have ended within so many seconds; returns as soon as they have."""
        try:
            async with asyncio.timeout(seconds):
                await self._none.wait()
        except TimeoutError:
            return False
        return True
