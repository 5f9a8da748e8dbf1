"""Transfers whose clients are slow: nobody else waits for them, and one too many is told so at once."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio

from tests.doubles.behind_the_edge import CHUNK, Behind
from tests.service.gateway.edge import Edge, error_of, running_edge

pytestmark = pytest.mark.asyncio(loop_scope="module")

FULL = 4
SOON = 5.0
"""Seconds within which what must not wait is there; a call that waits for a stream takes at least 8."""
RAW = "/api/v1/files/content?filename=raw.bin&retention_policy=temporary"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def edge(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Edge]:
    """It takes four transfers each way; as many calls fit into one connection to what is behind it."""
    folder = tmp_path_factory.mktemp("full")
    async with running_edge(folder, streams=FULL, MAX_TRANSFERS=str(FULL)) as made:
        yield made


@asynccontextmanager
async def stalled(edge: Edge, *heads: bytes) -> AsyncIterator[list[asyncio.StreamReader]]:
    """Requests that are begun and then neither read nor written on."""
    edge.behind.reading.clear()
    connections = [await edge.connect() for _ in heads]
    try:
        for (_, writer), head in zip(connections, heads, strict=True):
            writer.write(head)
            await writer.drain()
        yield [reader for reader, _ in connections]
    finally:
        for _, writer in connections:
            writer.close()
        edge.behind.reading.set()


async def until_under_way(behind: Behind, method: str) -> None:
    async with asyncio.timeout(SOON):
        while behind.calls.count(method) < FULL:  # noqa: ASYNC110 - each is counted, none tells
            await asyncio.sleep(0.01)


async def test_downloads_that_stand_still_stop_neither_metadata_nor_search_nor_uploads(edge: Edge) -> None:
    behind = edge.behind
    behind.calls.clear()
    file = behind.add(os.urandom(8 * CHUNK))
    path = f"/api/v1/files/{file.file_id}"
    async with stalled(edge, *[edge.head("GET", f"{path}/download")] * FULL):
        await until_under_way(behind, "Download")
        started = time.monotonic()
        assert (await edge.call("GET", path)).status_code == 200
        assert (await edge.call("POST", "/api/v1/search", json={})).status_code == 200
        assert (await edge.call("HEAD", f"{path}/download")).status_code == 200
        behind.reading.set()  # for uploads; the downloads stand still because nobody reads them
        assert (await edge.call("PUT", RAW, content=b"x")).status_code == 201
        assert time.monotonic() - started < SOON


async def test_one_download_too_many_is_refused_and_comes_in_when_one_has_ended(edge: Edge) -> None:
    behind = edge.behind
    behind.calls.clear()
    file = behind.add(os.urandom(8 * CHUNK))
    path = f"/api/v1/files/{file.file_id}/download"
    async with stalled(edge, *[edge.head("GET", path)] * FULL):
        await until_under_way(behind, "Download")
        started = time.monotonic()
        answer = await edge.call("GET", path)
        assert time.monotonic() - started < SOON
        assert (answer.status_code, error_of(answer)["code"]) == (503, "SERVICE_UNAVAILABLE")
        assert int(answer.headers["retry-after"]) >= 1
        assert behind.calls.count("Download") == FULL
    assert (await edge.call("GET", path)).content == behind.contents[file.file_id]


async def test_uploads_that_stand_still_stop_no_change_and_one_too_many_is_refused(edge: Edge) -> None:
    behind = edge.behind
    behind.calls.clear()
    file = behind.add(b"x")
    head = edge.head("PUT", RAW, "Content-Length: 1000000")
    async with stalled(edge, *[head + b"x"] * FULL):
        await until_under_way(behind, "Upload")
        behind.reading.set()  # for downloads; the uploads stand still because nothing more of them comes
        started = time.monotonic()
        changed = await edge.call("PATCH", f"/api/v1/files/{file.file_id}", json={"description": "new"})
        assert changed.status_code == 200
        assert (await edge.call("GET", f"/api/v1/files/{file.file_id}/download")).content == b"x"
        answer = await edge.call("PUT", RAW, content=b"y")
        assert time.monotonic() - started < SOON
        assert (answer.status_code, error_of(answer)["code"]) == (503, "SERVICE_UNAVAILABLE")
        assert int(answer.headers["retry-after"]) >= 1
