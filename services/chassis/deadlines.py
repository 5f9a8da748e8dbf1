"""No call waits for ever: unary calls have a deadline that shrinks from hop to hop, byte streams an idle limit."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextvars import ContextVar
from typing import TypeVar

from services.model.errors import DeadlineExceeded

UNARY = 30.0
"""Seconds for a unary call whose caller set no deadline."""
IDLE = 125.0
"""Seconds without a frame after which a byte stream is given up: a little more than the door waits (`envoy/edge.yaml`,
120 s), whose answer is the clearer one."""
HOP = 0.05
"""Seconds kept back for our own answer when the rest is passed on."""

_ends: ContextVar[float | None] = ContextVar("deadline", default=None)

Item = TypeVar("Item")


def bind(seconds: float | None) -> None:
    """The call that this task serves must end in so many seconds; None: no limit."""
    _ends.set(None if seconds is None else asyncio.get_running_loop().time() + seconds)


def remaining(default: float | None) -> float | None:
    """Seconds that a call made now may take: what is left of the present one less `HOP`, at most `default`.

    Raises `DeadlineExceeded` when nothing is left.
    """
    ends = _ends.get()
    if ends is None:
        return default
    left = ends - asyncio.get_running_loop().time() - HOP
    if left <= 0:
        raise DeadlineExceeded("the time for this request has run out")
    return left if default is None else min(left, default)


async def idle(items: AsyncIterator[Item], seconds: float = IDLE) -> AsyncIterator[Item]:
    """The same items; raises `DeadlineExceeded` when none comes for so long."""
    while True:
        try:
            async with asyncio.timeout(seconds):
                item = await anext(items)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise DeadlineExceeded(f"nothing was received for {seconds:g} seconds") from None
        yield item
