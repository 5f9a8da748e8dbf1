"""Answers that are ready before the request has been read to its end, a refused upload for one.

A server that answers and closes while bytes are still coming makes the operating system reset the connection, and the
reset may destroy the answer before the client has read it (RFC 9112 section 9.6). So such an answer says that it closes
the connection, goes out completely, and the rest of the body is read and thrown away for a while, before the
connection is closed: "lingering close". Envoy closes as soon as it has the answer, and that ends it at once.
"""

from __future__ import annotations

import asyncio

from services.chassis.http import AsgiApp, Message, Receive, Scope, Send

LINGER = 30.0
"""Seconds for which the rest of a body is read, at most."""
SILENCE = 2.0
"""Seconds without a byte of it after which nothing more is expected."""


class UnreadBodies:
    """Wraps the whole application."""

    def __init__(self, app: AsgiApp, *, linger: float = LINGER, silence: float = SILENCE) -> None:
        self._app = app
        self._linger = linger
        self._silence = silence

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and _has_body(scope):
            exchange = _Exchange(receive, send, self._linger, self._silence)
            await self._app(scope, exchange.receive, exchange.send)
        else:
            await self._app(scope, receive, send)


class _Exchange:
    """One request with a body, and its answer."""

    def __init__(self, receive: Receive, send: Send, linger: float, silence: float) -> None:
        self._receive = receive
        self._send = send
        self._linger = linger
        self._silence = silence
        self._complete = False
        """The request was read to its end, or the client has left."""
        self._closing = False

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            self._complete = True
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start" and not self._complete:
            self._closing = True
            message["headers"] = [*message["headers"], (b"connection", b"close")]
        last = message["type"] == "http.response.body" and not message.get("more_body", False)
        if not last or not self._closing:
            await self._send(message)
            return
        await self._send({**message, "more_body": True})
        await self._drain()
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _drain(self) -> None:
        try:
            async with asyncio.timeout(self._linger):
                while not self._complete:
                    async with asyncio.timeout(self._silence):
                        await self.receive()
        except TimeoutError:
            return


def _has_body(scope: Scope) -> bool:
    for name, value in scope["headers"]:
        if name == b"transfer-encoding" or (name == b"content-length" and value != b"0"):
            return True
    return False
