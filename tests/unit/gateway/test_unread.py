"""An answer before the end of the request goes out; the client has time to see it; then it ends."""

from __future__ import annotations

import asyncio
from typing import Any

from gateway.http.unread import UnreadBodies
from services.chassis.http import Message, Receive, Scope, Send

ANSWER: list[Message] = [
    {"type": "http.response.start", "status": 413, "headers": [(b"content-length", b"2")]},
    {"type": "http.response.body", "body": b"no", "more_body": False},
]


class Client:
    """Sends these messages, then is silent; takes what it is sent."""

    def __init__(self, *messages: Message) -> None:
        self.messages = list(messages)
        self.got: list[Message] = []

    async def receive(self) -> Message:
        if not self.messages:
            await asyncio.Event().wait()
        return self.messages.pop(0)

    async def send(self, message: Message) -> None:
        self.got.append(message)


def piece(*, more: bool) -> Message:
    return {"type": "http.request", "body": b"x" * 100, "more_body": more}


async def exchange(client: Client, *, read: int, headers: list[tuple[bytes, bytes]], **limits: float) -> list[Message]:
    """What the client got from an application that reads `read` messages and then answers."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for _ in range(read):
            await receive()
        for message in ANSWER:
            await send(dict(message))

    scope: dict[str, Any] = {"type": "http", "headers": headers}
    await UnreadBodies(app, **limits)(scope, client.receive, client.send)
    return client.got


LENGTH = [(b"content-length", b"1000")]


async def test_without_a_body_nothing_is_changed() -> None:
    assert await exchange(Client(), read=0, headers=[]) == ANSWER
    assert await exchange(Client(), read=0, headers=[(b"content-length", b"0")]) == ANSWER


async def test_after_the_whole_body_nothing_is_changed() -> None:
    client = Client(piece(more=True), piece(more=False))
    assert await exchange(client, read=2, headers=LENGTH) == ANSWER


async def test_the_rest_is_read_between_the_answer_and_the_end() -> None:
    client = Client(*[piece(more=True)] * 5, piece(more=False))
    for headers in (LENGTH, [(b"transfer-encoding", b"chunked")]):
        client = Client(*[piece(more=True)] * 5, piece(more=False))
        start, body, end = await exchange(client, read=1, headers=headers)
        assert start["headers"] == []
        assert (body["body"], body["more_body"]) == (b"no", True)
        assert (end["body"], end["more_body"]) == (b"", False)
        assert client.messages == []


async def test_a_client_that_leaves_ends_it() -> None:
    client = Client(piece(more=True), {"type": "http.disconnect"}, piece(more=True))
    assert len(await exchange(client, read=0, headers=LENGTH)) == 3
    assert len(client.messages) == 1


async def test_a_silent_client_ends_it() -> None:
    assert len(await exchange(Client(piece(more=True)), read=0, headers=LENGTH, silence=0.01)) == 3


async def test_a_client_that_never_ends_ends_it() -> None:
    class Endless(Client):
        async def receive(self) -> Message:
            await asyncio.sleep(0)
            return piece(more=True)

    assert len(await exchange(Endless(), read=0, headers=LENGTH, patience=0.05)) == 3
