"""How fast background work reads."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from services.model.clock import Clock

Sleep = Callable[[float], Awaitable[None]]

BURST = 0.25
"""Seconds: time that was not used is not saved up, but for this much."""


class RatePace:
    """Fills `ports.Pace` for all who share it: together they read no more than so many bytes a second."""

    def __init__(self, rate: int, clock: Clock, sleep: Sleep = asyncio.sleep) -> None:
        """`rate`: bytes a second; 0: as fast as the disk."""
        self._rate, self._clock, self._sleep = rate, clock, sleep
        self._free_at = 0.0

    async def __call__(self, size: int) -> None:
        """Return when whoever read `size` bytes may go on."""
        if not self._rate:
            return
        now = self._clock.monotonic()
        self._free_at = max(self._free_at, now - BURST) + size / self._rate
        if self._free_at > now:
            await self._sleep(self._free_at - now)
