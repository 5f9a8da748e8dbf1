"""How fast background work reads."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from services.model.clock import Clock

Sleep = Callable[[float], Awaitable[None]]

BURST = 0.25
"""Seconds: time that was not used is not saved up, but for this much."""
LEAST = 512 << 10
"""Bytes that any look at the disk counts as: a step of a large file. A million small files have few bytes, and are some
million seeks and minutes of a core all the same; at 32 MiB/s a disk that turns reads about as much while it seeks."""


class RatePace:
    """Fills `ports.Pace` for all who share it: together they read no more than so many bytes a second."""

    def __init__(self, rate: int, clock: Clock, sleep: Sleep = asyncio.sleep, *, least: int = LEAST) -> None:
        """`rate`: bytes a second; 0: as fast as the disk. `least`: what fewer bytes count as."""
        self._rate, self._clock, self._sleep, self._least = rate, clock, sleep, least
        self._free_at = 0.0

    async def __call__(self, size: int) -> None:
        """Return when whoever read `size` bytes may go on."""
        if not self._rate:
            return
        now = self._clock.monotonic()
        self._free_at = max(self._free_at, now - BURST) + max(size, self._least) / self._rate
        if self._free_at > now:
            await self._sleep(self._free_at - now)
