"""Background work: a use case does one pass, the loop repeats it."""

from __future__ import annotations

import asyncio
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

    async def run(self) -> None:
        """Run until cancelled; the first pass begins at once."""
        while True:
            try:
                await self._one_pass()
            except Exception:
                log.exception("background pass failed", loop=self._name)
            await asyncio.sleep(self._interval * random.uniform(1 - JITTER, 1 + JITTER))  # noqa: S311 - not a secret
