"""Answers whose bytes come from inside while they are sent."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import AsyncExitStack
from typing import Any

from litestar.types import Receive, Scope, Send

from gateway.ports import Download
from services.chassis.logs import get_logger
from services.chassis.steps import Steps
from services.model.errors import ArtStoreError

PIECES = 4
"""Into how many pieces a step is cut for the connection. It takes and encrypts any number of bytes and only then says
that it is full: that is what a client that does not read costs."""

log = get_logger(__name__)


class Bodiless:
    """An answer of headers alone: to HEAD, and 304."""

    def __init__(self, status: int, headers: Mapping[str, str]) -> None:
        self._start = _start(status, headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI
        await send(self._start)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


class Content:
    """An answer with a document's bytes.

    The last chunk is held back until the service has confirmed that all was well: content that turns out to be damaged
    or cut is never seen to end like good content. What fails before the first byte has gone out is answered as an
    error; what fails later breaks the connection.
    """

    def __init__(
        self, status: int, headers: Mapping[str, str], content: Download, held: AsyncExitStack, steps: Steps
    ) -> None:
        """`held`: closed when the answer has ended, in whatever way. `steps`: of all such answers."""
        self._start = _start(status, headers)
        self._content = content
        self._held = held
        self._steps = steps

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI
        async with self._held:
            with self._steps.shared():
                await _unless_left(self._send(send), receive)

    async def _send(self, send: Send) -> None:
        begun = False
        missing = self._content.length
        final: memoryview | bytes = b""
        try:
            async for chunk in self._content.chunks():
                missing -= len(chunk)
                if missing <= 0:
                    final = chunk
                    continue
                if not begun:
                    await send(self._start)
                    begun = True
                for piece in _pieces(chunk, self._steps.size() // PIECES):
                    await send(_part(piece, more=True))
        except ArtStoreError as error:
            if not begun:
                raise
            # Leaving the answer incomplete makes the server break the connection.
            log.warning("a download broke off", code=error.code.value, reason=error.message)
            return
        if not begun:
            await send(self._start)
        await send(_part(final, more=False))


async def _unless_left(work: Coroutine[Any, Any, None], receive: Receive) -> None:
    """Do `work`, but stop it when the client leaves: nobody would notice otherwise while there is nothing to send."""
    working = asyncio.create_task(work)
    leaving = asyncio.create_task(_left(receive))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        left = not working.done()
        working.cancel()
        leaving.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)
    if left:
        log.info("the client left before its download was complete")
    else:
        working.result()


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _start(status: int, headers: Mapping[str, str]) -> Any:
    encoded = [(name.encode("ascii"), value.encode("ascii")) for name, value in headers.items()]
    return {"type": "http.response.start", "status": status, "headers": encoded}


def _pieces(chunk: memoryview | bytes, size: int) -> Iterator[memoryview]:
    view = memoryview(chunk)
    return (view[at : at + size] for at in range(0, len(view), size))


def _part(chunk: memoryview | bytes, *, more: bool) -> Any:
    return {"type": "http.response.body", "body": chunk, "more_body": more}
