"""Bodies of requests as they arrive, straight from ASGI.

Litestar's own `request.stream()` says "the client left" with the error of a fault of ours; here the two differ.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, cast

from litestar import Request

from services.chassis.http import Receive
from services.model.errors import FileTooLarge

JSON_LIMIT = 1 << 20
"""Bytes that the body of anything but an upload may have."""


class ClientLeft(Exception):
    """The connection ended before the request did: whatever was begun must not be completed."""


async def pieces(request: Request[Any, Any, Any]) -> AsyncIterator[bytes]:
    """The body, in the pieces in which it arrives. It ends only where the request really ends.

    Raises `ClientLeft` when the connection ends first.
    """
    receive = cast("Receive", request.receive)
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientLeft
        piece = cast("bytes", message.get("body", b""))
        more = cast("bool", message.get("more_body", False))
        if piece:
            yield piece


async def whole(request: Request[Any, Any, Any], *, limit: int = JSON_LIMIT) -> bytes:
    """The whole body. Raises `FileTooLarge` above `limit` bytes, as soon as that is known."""
    found = bytearray()
    async for piece in pieces(request):
        found += piece
        if len(found) > limit:
            raise FileTooLarge(f"The body of the request is larger than {limit} bytes.")
    return bytes(found)
