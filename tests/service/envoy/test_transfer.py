"""Documents pass through, whatever their size, and are never held."""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from pathlib import Path

import pytest

from tests.service.envoy.conftest import Door
from tests.service.envoy.fake_gateway import UPLOAD

pytestmark = pytest.mark.asyncio(loop_scope="module")

MIB = 1 << 20


async def test_a_large_body_arrives_as_it_was_sent(door: Door, token: str) -> None:
    body = os.urandom(64 * MIB)
    answer = await door.ask("POST", UPLOAD, token=token, content=body)
    assert answer.status_code == 200
    assert hashlib.sha256(door.gateway.last.body).digest() == hashlib.sha256(body).digest()


async def test_a_gateway_that_does_not_read_holds_the_client_back(door: Door, token: str) -> None:
    door.gateway.may_read.clear()
    reader, writer = await asyncio.open_connection("localhost", door.port, ssl=door.context)
    size = 256 * MIB
    writer.write(
        f"POST {UPLOAD} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Length: {size}\r\n\r\n".encode()
    )
    before = resident(door)
    sent, taken_at, block = 0, time.monotonic(), bytes(MIB)
    while sent < size and time.monotonic() - taken_at < 2:
        writer.write(block)
        try:
            await asyncio.wait_for(writer.drain(), 1)
        except TimeoutError:
            break
        sent, taken_at = sent + len(block), time.monotonic()
    # What the sockets' and Envoy's buffers take; the rest waits at the client.
    assert sent < 48 * MIB
    assert resident(door) - before < 16 * MIB
    writer.transport.abort()
    assert reader is not None
    door.gateway.may_read.set()


async def test_a_body_may_come_slowly(door: Door, token: str) -> None:
    async def drops() -> object:
        for _ in range(5):
            yield b"drop"
            await asyncio.sleep(0.05)  # the slowness is what is tested

    headers = {"Content-Length": "20"}
    answer = await door.ask("POST", UPLOAD, token=token, content=drops(), headers=headers)
    assert answer.status_code == 200
    assert bytes(door.gateway.last.body) == b"drop" * 5


async def test_an_upload_that_is_cut_off_is_cut_off_for_the_gateway(door: Door, token: str) -> None:
    _, writer = await asyncio.open_connection("localhost", door.port, ssl=door.context)
    writer.write(
        f"POST {UPLOAD} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
        "Content-Length: 1000\r\n\r\nhalf".encode()
    )
    await asyncio.wait_for(door.gateway.asked.wait(), 10)
    writer.transport.abort()
    await door.until_stat("http.edge.downstream_rq_active", at_most=0)
    assert len(door.gateway.last.body) < 1000


def resident(door: Door) -> int:
    """Return Envoy's resident memory in bytes."""
    pages = Path(f"/proc/{door.child.identity.pid}/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")
