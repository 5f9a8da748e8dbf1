"""Calls that never end by themselves, such as a watch of health or changes: a server that stops must end them."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from contextlib import aclosing
from typing import Any

from services.chassis.authorization import OPEN_TO_MODULES
from services.model.errors import ServiceUnavailable


def watches(method: str) -> bool:
    """Whether "/package.Service/Method" is such a call: by its name, and health and reflection."""
    service, _, name = method.lstrip("/").rpartition("/")
    return service in OPEN_TO_MODULES or name.startswith("Watch")


class Stopping:
    """Set once the server stops."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def set(self) -> None:
        """End all calls that watch; they raise `ServiceUnavailable`, so that the caller asks elsewhere, or again."""
        self._event.set()

    def ends(self, behaviour: Callable[..., Any]) -> Callable[..., Any]:
        """The same servicer method, but ended when the server stops."""
        if inspect.iscoroutinefunction(behaviour):

            async def write(request: Any, context: Any) -> None:
                await self._unless_set(behaviour(request, context))

            return write

        async def stream(request: Any, context: Any) -> AsyncIterator[Any]:
            async with aclosing(behaviour(request, context)) as messages:
                while True:
                    try:
                        message = await self._unless_set(_next(messages))
                    except StopAsyncIteration:
                        return
                    yield message

        return stream

    async def _unless_set(self, work: Coroutine[Any, Any, Any]) -> Any:
        working, stopping = asyncio.create_task(work), asyncio.create_task(self._event.wait())
        try:
            await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                return working.result()
            raise ServiceUnavailable("the service is stopping; try again", retry_after=1)
        finally:
            working.cancel()
            stopping.cancel()
            await asyncio.gather(working, stopping, return_exceptions=True)


async def _next(messages: AsyncGenerator[Any, None]) -> Any:
    return await anext(messages)
