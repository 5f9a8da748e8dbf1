"""A gateway that only remembers what it was asked, over the same mutual TLS as the real one."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from dataclasses import dataclass, field

from services.chassis.tls import TlsFiles
from tests.doubles.keys import SigningKeys

UPLOAD = "/api/v1/files/upload"
NEVER = "/api/v1/never-answered"
LARGE = 10_000
"""Bytes that are added to the answer where the query is "large"."""
SLOW = "/api/v1/slow"
BREAKS = ("/api/v1/breaks", "/api/v1/files/content")
"""It closes the connection instead of answering these."""


@dataclass
class Seen:
    """One request as it arrived."""

    method: str
    target: str
    headers: dict[str, str]
    caller: str
    """The common name of the client's certificate."""
    body: bytearray = field(default_factory=bytearray)

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]


class FakeGateway:
    """Answers 200 with what it saw; `start` and `stop` may be repeated on the same port."""

    def __init__(self, tls: TlsFiles, port: int, keys: SigningKeys) -> None:
        self._context = tls.http_server_context()
        self._port = port
        self._keys = keys
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self.seen: list[Seen] = []
        self.may_read = asyncio.Event()
        """Cleared: it reads no body of an upload."""
        self.may_read.set()
        self.may_answer = asyncio.Event()
        """Set: `SLOW` is answered."""
        self.asked = asyncio.Event()
        """Set when a request other than for the keys has arrived."""

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port, ssl=self._context)

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for connection in list(self._connections):
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await self._server.wait_closed()

    def forget(self) -> None:
        """Begin a new test."""
        self.seen.clear()
        self.asked.clear()
        self.may_answer.clear()
        self.may_read.set()

    @property
    def last(self) -> Seen:
        return self.seen[-1]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                while await self._answer(reader, writer):
                    pass
        finally:
            self._connections.discard(task)
            writer.transport.abort()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; return whether to expect another."""
        seen = self._parse(await reader.readuntil(b"\r\n\r\n"), writer)
        if seen.headers.get("transfer-encoding") == "chunked":  # so Envoy asks again for the keys; it has no body
            assert await reader.readuntil(b"\r\n\r\n") == b"0\r\n\r\n"
        if seen.path == "/api/v1/auth/jwks":
            self._send(writer, seen, await self._keys.jwks())
            return True
        self.seen.append(seen)
        self.asked.set()
        await self._read_body(seen, reader)
        if seen.path in BREAKS:
            return False
        if seen.path == NEVER:
            await asyncio.Event().wait()
        if seen.path == SLOW:
            await self.may_answer.wait()
        self._send(writer, seen, {"path": seen.path, "filling": "x" * LARGE * seen.target.endswith("?large")})
        await writer.drain()
        return True

    def _parse(self, head: bytes, writer: asyncio.StreamWriter) -> Seen:
        first, *rest = head.decode("latin-1").rstrip("\r\n").split("\r\n")
        method, target, _ = first.split(" ")
        headers: dict[str, str] = {}
        for line in rest:
            name, _, value = line.partition(":")
            assert name.lower() not in headers, f"{name} arrived twice"
            headers[name.lower()] = value.strip()
        tls: ssl.SSLObject = writer.get_extra_info("ssl_object")
        certificate = tls.getpeercert() or {}
        subject = certificate["subject"]
        assert isinstance(subject, tuple)
        return Seen(method, target, headers, str(subject[0][0][1]))

    async def _read_body(self, seen: Seen, reader: asyncio.StreamReader) -> None:
        left = int(seen.headers.get("content-length", "0"))
        while left:
            await self.may_read.wait()
            part = await reader.read(min(left, 65536))
            if not part:
                raise asyncio.IncompleteReadError(b"", left)
            seen.body += part
            left -= len(part)

    def _send(self, writer: asyncio.StreamWriter, seen: Seen, body: object) -> None:
        data = json.dumps(body).encode()
        head = (
            'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nServer: fake\r\nETag: "one"\r\n'
            f"X-Request-Id: {seen.headers.get('x-request-id', '')}\r\nContent-Length: {len(data)}\r\n\r\n"
        )
        writer.write(head.encode() + (b"" if seen.method == "HEAD" else data))
