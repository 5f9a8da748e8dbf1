"""Background work: a use case does one pass, the loop repeats it."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable
from datetime import timedelta

from services.chassis.logs import get_logger

JITTER = 0.1
"""Part of the interval by which each pause varies, so that processes started together drift apart."""

log = get_logger(__name__)


class Loop:
    """Repeats one pass for ever, never two at a time. A pass that fails is logged, and the next one comes."""

    def __init__(self, name: str, interval: timedelta, one_pass: Callable[[], Awaitable[object]]) -> None:
        self._name = name
        self._interval = interval.total_seconds()
        self._one_pass = one_pass
        self._nudged = asyncio.Event()

    def nudge(self) -> None:
        """The next pass begins at once, or as soon as the present one has ended."""
        self._nudged.set()

    async def run(self) -> None:
        """Run until cancelled; the first pass begins at once."""
        while True:
            self._nudged.clear()
            try:
                await self._one_pass()
            except Exception:
                log.exception("background pass failed", loop=self._name)
            pause = self._interval * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - not a secret
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._nudged.wait(), pause)
