"""Answers that are ready before the request has been read to its end, a refused upload for one.

What is sent while nobody reads it is lost twice: a server that closes the connection makes the operating system reset
it, and that may destroy the answer on its way (RFC 9112 section 9.6); and over HTTP/2 Envoy resets the stream as soon
as the answer is complete (RFC 9113 section 8.1 allows it), which makes curl up to 7.88 forget an answer that it has
not read yet. So such an answer goes out but for its end, which is why its length is not told; a client that looks now
stops sending; what still comes is thrown away for a moment; then the answer ends. The connection is left to Envoy,
which closes it at once.
"""

from __future__ import annotations

import asyncio

from services.chassis.http import AsgiApp, Message, Receive, Scope, Send

PATIENCE = 1.0
"""Seconds between an answer and its end, at most: time for the client to see it."""
SILENCE = 0.25
"""Seconds without a byte of the body after which it has."""


class UnreadBodies:
    """Wraps the whole application."""

    def __init__(self, app: AsgiApp, *, patience: float = PATIENCE, silence: float = SILENCE) -> None:
        self._app = app
        self._patience = patience
        self._silence = silence

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and _has_body(scope):
            exchange = _Exchange(receive, send, self._patience, self._silence)
            await self._app(scope, exchange.receive, exchange.send)
        else:
            await self._app(scope, receive, send)


class _Exchange:
    """One request with a body, and its answer."""

    def __init__(self, receive: Receive, send: Send, patience: float, silence: float) -> None:
        self._receive = receive
        self._send = send
        self._patience = patience
        self._silence = silence
        self._complete = False
        """The request was read to its end, or the client has left."""
        self._early = False
        """The answer began before that."""

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            self._complete = True
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start" and not self._complete:
            self._early = True
            message["headers"] = [header for header in message["headers"] if header[0].lower() != b"content-length"]
        last = message["type"] == "http.response.body" and not message.get("more_body", False)
        if not last or not self._early:
            await self._send(message)
            return
        await self._send({**message, "more_body": True})
        await self._discard()
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _discard(self) -> None:
        try:
            async with asyncio.timeout(self._patience):
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
