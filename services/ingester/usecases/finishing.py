"""What has been asked of an element must be followed to its end, even if the one who asked has left."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from services.chassis.logs import get_logger

Result = TypeVar("Result")

log = get_logger(__name__)


async def to_the_end(work: Coroutine[Any, Any, Result]) -> Result:
    """Run `work`; a cancellation takes effect only once it has ended.

    An element that commits answers to nobody when its caller leaves: the registry would not learn of the file.
    """
    task = asyncio.create_task(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        if not task.cancelled() and (error := task.exception()) is not None:
            log.warning("the caller left, and what it asked for failed", error=str(error))
        raise
