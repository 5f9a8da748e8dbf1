"""Asking again, while a process that is restarted is away.

Only where nobody was reached, only what may be repeated, and only here: whoever is behind the peer is the peer's to ask
again. A peer that answers that something else is away has been reached.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

import grpc
import stamina

from services.chassis.faults import DETAILS_KEY

PATIENCE: Final = 8.0
"""Seconds for which it is asked again: a process needs some to end, to be started and to listen."""
FIRST, LONGEST = 0.1, 1.0
"""Seconds between two attempts."""


def attempts() -> AsyncIterator[stamina.Attempt]:
    """The attempts at a call that may be repeated: in an `async for`, each `with` the call inside."""
    return stamina.retry_context(
        on=not_reached, attempts=None, timeout=PATIENCE, wait_initial=FIRST, wait_max=LONGEST
    ).__aiter__()


def not_reached(error: Exception) -> bool:
    """Whether a call failed on the way: the status is gRPC's own."""
    if not isinstance(error, grpc.aio.AioRpcError) or error.code() is not grpc.StatusCode.UNAVAILABLE:
        return False
    return all(key != DETAILS_KEY for key, _ in tuple(error.trailing_metadata() or ()))
