"""What no honest client sends: the door refuses it, bounded in time and memory, and goes on serving others."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import hyperframe.frame as frames
import psutil
import pytest
import pytest_asyncio
from hpack import Decoder, Encoder

from tests.service.envoy.conftest import Door, Doors
from tests.service.envoy.test_errors import manager

pytestmark = pytest.mark.asyncio(loop_scope="module")

FILES = "/api/v1/files"
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
PATIENCE = 20
"""Seconds for any one answer."""


@asynccontextmanager
async def connected(door: Door, protocol: str) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A bare TLS connection that speaks "h2" or "http/1.1"."""
    context = ssl.create_default_context(cafile=door.folder / "ca.pem")
    context.set_alpn_protocols([protocol])
    reader, writer = await asyncio.open_connection("localhost", door.port, ssl=context)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def all_that_comes(reader: asyncio.StreamReader) -> bytes:
    """Until the door closes the connection, which it must."""
    received = b""
    with suppress(ConnectionError):
        while part := await asyncio.wait_for(reader.read(65536), PATIENCE):
            received += part
    return received


async def goes_on(door: Door) -> None:
    """Whether somebody else is still served."""
    answer = await door.ask("GET", FILES, token=door.keys.token())
    assert answer.status_code == 200


async def sent_raw(door: Door, request: bytes) -> bytes:
    async with connected(door, "http/1.1") as (reader, writer):
        writer.write(request)
        return await asyncio.wait_for(reader.read(65536), PATIENCE)


class TestHeaders:
    @pytest.mark.parametrize("http2", [False, True])
    @pytest.mark.parametrize(
        "headers",
        [{"X-Large": "x" * 65536}, {f"X-{number}": "x" for number in range(10_000)}],
        ids=["64 KiB", "10,000"],
    )
    async def test_too_much_of_them_is_431_or_the_end(self, door: Door, http2: bool, headers: dict[str, str]) -> None:
        if http2:
            received = await self._over_http2(door, headers)
            assert received in ({"431"}, set())  # refused, or the stream or connection reset
        else:
            lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
            answer = await sent_raw(door, f"GET {FILES} HTTP/1.1\r\nHost: x\r\n{lines}\r\n".encode())
            head, _, body = answer.partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 431")
            assert b'"VALIDATION_ERROR"' in body
        assert door.gateway.seen == []
        await goes_on(door)

    async def _over_http2(self, door: Door, headers: dict[str, str]) -> set[str]:
        """The statuses that came."""
        block = Encoder().encode([*request(door, FILES), *((name.lower(), value) for name, value in headers.items())])
        async with connected(door, "h2") as (reader, writer):
            writer.write(PREFACE + frames.SettingsFrame(0).serialize())
            parts = [block[start : start + 16384] for start in range(0, len(block), 16384)]
            first = frames.HeadersFrame(1, data=parts[0], flags=["END_STREAM"])
            if len(parts) == 1:
                first.flags.add("END_HEADERS")
            writer.write(first.serialize())
            for index, part in enumerate(parts[1:], 2):
                flags = ["END_HEADERS"] if index == len(parts) else []
                writer.write(frames.ContinuationFrame(1, data=part, flags=flags).serialize())
            return {status async for status in statuses(reader)}


SMUGGLED = "GET /api/v1/secret HTTP/1.1\r\nHost: x\r\n\r\n"
SHAPES = {
    "length and chunked": "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked and length": "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
    "two lengths": "Content-Length: 0\r\nContent-Length: 44\r\n\r\n",
    "two lengths in one": "Content-Length: 0, 44\r\n\r\n",
    "chunked twice": "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    "chunked, misspelt": "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "space before the colon": "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "negative length": "Content-Length: -1\r\n\r\n",
    "signed length": "Content-Length: +44\r\n\r\n",
    "chunk size beyond 64 bits": "Transfer-Encoding: chunked\r\n\r\n1FFFFFFFFFFFFFFFFF\r\n",
}


class TestSmuggling:
    """No second request comes out of the body of a first."""

    @pytest.mark.parametrize("shape", SHAPES)
    async def test_an_ambiguous_body_is_refused_and_nothing_follows_it(
        self, door: Door, token: str, shape: str
    ) -> None:
        first = f"POST {FILES} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n{SHAPES[shape]}"
        async with connected(door, "http/1.1") as (reader, writer):
            writer.write((first + SMUGGLED).encode())
            received = await all_that_comes(reader)
        assert received.startswith((b"HTTP/1.1 400", b"HTTP/1.1 501")), received[:200]
        assert received.count(b"HTTP/1.1 ") == 1
        assert all(seen.path != "/api/v1/secret" for seen in door.gateway.seen)
        await goes_on(door)

    @pytest.mark.parametrize("header", [("transfer-encoding", "chunked"), ("connection", "close")])
    async def test_http2_has_no_such_headers(self, door: Door, header: tuple[str, str]) -> None:
        block = Encoder().encode([*request(door, FILES), header])
        async with connected(door, "h2") as (reader, writer):
            headers = frames.HeadersFrame(1, data=block, flags=["END_STREAM", "END_HEADERS"])
            writer.write(PREFACE + frames.SettingsFrame(0).serialize() + headers.serialize())
            got = {status async for status in statuses(reader)}
        assert "200" not in got
        assert door.gateway.seen == []


def request(door: Door, path: str) -> list[tuple[str, str]]:
    return [
        (":method", "GET"),
        (":scheme", "https"),
        (":authority", "localhost"),
        (":path", path),
        ("authorization", f"Bearer {door.keys.token()}"),
    ]


def parsed(data: bytearray) -> Iterator[Any]:
    """Take whole frames off the front of `data`."""
    while len(data) >= 9:
        frame, length = frames.Frame.parse_frame_header(memoryview(bytes(data[:9])))
        if len(data) < 9 + length:
            return
        frame.parse_body(memoryview(bytes(data[9 : 9 + length])))
        del data[: 9 + length]
        yield frame


async def statuses(reader: asyncio.StreamReader) -> AsyncIterator[str]:
    """The `:status` of answers on stream 1, until it or the connection ends."""
    decoder, data = Decoder(), bytearray()
    with suppress(ConnectionError):
        while part := await asyncio.wait_for(reader.read(65536), PATIENCE):
            data += part
            for frame in parsed(data):
                if isinstance(frame, frames.HeadersFrame):
                    for name, value in decoder.decode(frame.data, raw=True):
                        if name == b":status":
                            yield bytes(value).decode()
                ended = "END_STREAM" in frame.flags or isinstance(frame, frames.RstStreamFrame)
                if isinstance(frame, frames.GoAwayFrame) or (frame.stream_id == 1 and ended):
                    return


class TestHttp2:
    async def test_who_resets_at_once_what_he_asks_for_is_cut_off(self, door: Door) -> None:
        """Rapid reset (CVE-2023-44487), 2,000 streams."""
        encoder = Encoder()
        async with connected(door, "h2") as (reader, writer):
            writer.write(PREFACE + frames.SettingsFrame(0).serialize())
            with suppress(ConnectionError):
                for stream in range(1, 4001, 2):
                    block = encoder.encode(request(door, FILES))
                    headers = frames.HeadersFrame(stream, data=block, flags=["END_STREAM", "END_HEADERS"])
                    writer.write(headers.serialize() + frames.RstStreamFrame(stream, error_code=8).serialize())
                    await writer.drain()
            await all_that_comes(reader)
        await door.until_stat("http.edge.downstream_rq_too_many_premature_resets", at_least=1)
        assert len(door.gateway.seen) < 2000
        await goes_on(door)

    async def test_headers_without_end_are_cut_off(self, door: Door) -> None:
        """CONTINUATION flood, 64 MiB at most."""
        before = resident(door)
        encoder = Encoder()
        block = encoder.encode(request(door, FILES))
        filler = encoder.encode([(f"x-{number}", "y" * 1000) for number in range(15)], huffman=False)
        sent = 0
        async with connected(door, "h2") as (reader, writer):
            headers = frames.HeadersFrame(1, data=block, flags=["END_STREAM"])
            writer.write(PREFACE + frames.SettingsFrame(0).serialize() + headers.serialize())
            reading = asyncio.ensure_future(all_that_comes(reader))
            with suppress(ConnectionError):
                while sent < 64 << 20 and not reading.done():
                    writer.write(frames.ContinuationFrame(1, data=filler).serialize())
                    await writer.drain()
                    sent += len(filler)
            await reading
        assert sent < 64 << 20
        assert resident(door) - before < 32 << 20
        assert door.gateway.seen == []
        await goes_on(door)

    async def test_pings_without_end_are_cut_off_or_answered_without_growing(self, door: Door) -> None:
        """A flood of control frames whose answers are not read."""
        before = resident(door)
        async with connected(door, "h2") as (_, writer):
            writer.write(PREFACE + frames.SettingsFrame(0).serialize())
            ping = frames.PingFrame(0, opaque_data=b"abcdefgh").serialize() * 1000
            with suppress(ConnectionError, TimeoutError):
                for _ in range(200):
                    writer.write(ping)
                    await asyncio.wait_for(writer.drain(), 2)
        assert resident(door) - before < 32 << 20
        await goes_on(door)


def resident(door: Door) -> int:
    """Bytes of memory that Envoy has in use."""
    return int(psutil.Process(door.child.identity.pid).memory_info().rss)


def hasten(configuration: dict[str, Any]) -> None:
    """Silence that a test can wait for, and few connections."""
    edge = manager(configuration)
    edge["stream_idle_timeout"] = "0.5s"
    for route in edge["route_config"]["virtual_hosts"][0]["routes"]:
        if "idle_timeout" in route.get("route", {}):
            route["route"]["idle_timeout"] = "0.5s"
    monitor = configuration["overload_manager"]["resource_monitors"][0]["typed_config"]
    monitor["max_active_downstream_connections"] = 8


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hasty(doors: Doors) -> AsyncIterator[Door]:
    door = await doors.open("hasty-and-small", change=hasten)
    yield door
    await doors.close(door)


class TestSlowAndMany:
    @pytest.mark.parametrize("path", ["/api/v1/files/upload", "/api/v1/search"])
    async def test_a_body_that_stops_is_408(self, hasty: Door, path: str) -> None:
        begun = (
            f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {hasty.keys.token()}\r\n"
            "Content-Length: 100\r\n\r\n{"
        )
        answer = await sent_raw(hasty, begun.encode())
        assert answer.startswith(b"HTTP/1.1 408")
        assert b'"DEADLINE_EXCEEDED"' in answer

    async def test_connections_beyond_the_limit_are_closed_and_there_is_room_again(self, hasty: Door) -> None:
        opened = [await asyncio.open_connection("127.0.0.1", hasty.port) for _ in range(20)]
        closed = await asyncio.gather(*(ended(reader) for reader, _ in opened))
        assert 12 <= sum(closed) < 20
        for _, writer in opened:
            writer.transport.abort()
        await hasty.until_stat("http.edge.downstream_cx_active", at_most=0)
        await goes_on(hasty)


async def ended(reader: asyncio.StreamReader) -> bool:
    """Whether the door closed the connection within a second."""
    try:
        return not await asyncio.wait_for(reader.read(1), 1)
    except TimeoutError:
        return False
    except ConnectionError:
        return True
