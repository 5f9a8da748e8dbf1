"""Asking again, while a process that is restarted is away.

Only where nobody was reached, only what may be repeated, and only here: whoever is behind the peer is the peer's to ask
again. A peer that answers that something else is away has been reached.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import grpc
import stamina

from services.chassis.faults import DETAILS_KEY

PATIENCE: Final = 8.0
"""Seconds for which it is asked again: a process needs some to end, to be started and to listen."""
FIRST, LONGEST = 0.1, 1.0
"""Seconds between two attempts."""
_ON_THE_WAY: Final = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)

Answer = TypeVar("Answer")


async def until_reached(call: Callable[[], Awaitable[Answer]]) -> Answer:
    """The answer of a call that may be repeated: made again for a while where nobody was reached."""
    failed: grpc.aio.AioRpcError | None = None
    try:
        return await call()
    except grpc.aio.AioRpcError as error:
        if not not_reached(error):
            raise
        failed = error
    # Only now: what counts and spaces the attempts costs half as much as the call that it is there for.
    async for attempt in stamina.retry_context(
        on=not_reached, attempts=None, timeout=PATIENCE, wait_initial=FIRST, wait_max=LONGEST
    ):
        with attempt:
            if failed is not None:  # the first was made above
                first, failed = failed, None
                raise first
            return await call()
    raise AssertionError("the attempts neither returned nor raised")


def not_reached(error: Exception) -> bool:
    """Whether a call failed on the way: the status is gRPC's own, and says that nobody worked on it to the end.

    CANCELLED as well: with it a server that stops answers the calls that have reached it and that no servicer has yet
    (https://github.com/grpc/grpc/issues/41785). A caller of ours that leaves does not see it, but `CancelledError`.
    """
    if not isinstance(error, grpc.aio.AioRpcError) or error.code() not in _ON_THE_WAY:
        return False
    return all(key != DETAILS_KEY for key, _ in tuple(error.trailing_metadata() or ()))
