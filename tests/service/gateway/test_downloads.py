"""Bytes on their way out: whole, in parts, conditionally, and never seen to end well when they did not."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import ssl
from datetime import timedelta

import pytest

from services.model.errors import FileDamaged, FileDeleted, ServiceUnavailable
from services.model.files import FileStatus
from tests.doubles.behind_the_edge import CHUNK, Behind, new_id
from tests.service.gateway.edge import Edge, error_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

CONTENT = os.urandom(3 * CHUNK + 7)


def path_of(file_id: str) -> str:
    return f"/api/v1/files/{file_id}/download"


async def test_the_whole_with_all_that_is_to_be_said_of_it(edge: Edge, behind: Behind) -> None:
    file = behind.add(CONTENT, original_filename="Договор №7.pdf", content_type="application/pdf; x=1")
    answer = await edge.call("GET", path_of(file.file_id))
    assert (answer.status_code, answer.content) == (200, CONTENT)
    headers = answer.headers
    assert headers["content-length"] == str(len(CONTENT))
    assert headers["content-type"] == "application/pdf; x=1"
    assert headers["etag"] == f'"{file.sha256}"'
    assert headers["last-modified"] == "Sat, 21 Nov 2026 01:30:00 GMT"
    assert headers["accept-ranges"] == "bytes"
    assert headers["repr-digest"] == f"sha-256=:{base64.b64encode(hashlib.sha256(CONTENT).digest()).decode()}:"
    assert headers["content-disposition"].startswith("attachment; ")
    assert "filename*=UTF-8''%D0%94%D0%BE" in headers["content-disposition"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"].startswith("private")
    assert behind.calls.count("GetFile") == 0  # one call is enough


async def test_an_empty_document(edge: Edge, behind: Behind) -> None:
    file = behind.add(b"")
    answer = await edge.call("GET", path_of(file.file_id))
    assert (answer.status_code, answer.content, answer.headers["content-length"]) == (200, b"", "0")


@pytest.mark.parametrize(
    ("wanted", "first", "last"),
    [("bytes=0-99", 0, 99), ("bytes=100-", 100, len(CONTENT) - 1), ("bytes=-10", len(CONTENT) - 10, len(CONTENT) - 1),
     ("bytes=5-999999999", 5, len(CONTENT) - 1), (f"bytes={CHUNK - 1}-{CHUNK}", CHUNK - 1, CHUNK)],
)  # fmt: skip
async def test_a_range_is_206(edge: Edge, behind: Behind, wanted: str, first: int, last: int) -> None:
    file = behind.add(CONTENT)
    answer = await edge.call("GET", path_of(file.file_id), headers={"Range": wanted})
    assert (answer.status_code, answer.content) == (206, CONTENT[first : last + 1])
    assert answer.headers["content-range"] == f"bytes {first}-{last}/{len(CONTENT)}"
    assert answer.headers["content-length"] == str(last - first + 1)
    assert answer.headers["etag"] == f'"{file.sha256}"'


@pytest.mark.parametrize("wanted", [f"bytes={len(CONTENT)}-", "bytes=99999999999999999999999-", "bytes=-0"])
async def test_a_range_without_a_byte_is_416(edge: Edge, behind: Behind, wanted: str) -> None:
    file = behind.add(CONTENT)
    answer = await edge.call("GET", path_of(file.file_id), headers={"Range": wanted})
    assert (answer.status_code, error_of(answer)["code"]) == (416, "RANGE_NOT_SATISFIABLE")
    assert answer.headers["content-range"] == f"bytes */{len(CONTENT)}"


@pytest.mark.parametrize("wanted", ["bytes=9-2", "bytes=0-1,5-6", "lines=1-2", "bytes=a-b", "bytes"])
async def test_what_is_no_single_range_gives_the_whole(edge: Edge, behind: Behind, wanted: str) -> None:
    file = behind.add(CONTENT)
    answer = await edge.call("GET", path_of(file.file_id), headers={"Range": wanted})
    assert (answer.status_code, answer.content) == (200, CONTENT)


async def test_conditions(edge: Edge, behind: Behind) -> None:
    file = behind.add(CONTENT)
    tag, other, date = f'"{file.sha256}"', '"other"', "Sat, 21 Nov 2026 01:30:00 GMT"
    cases: list[tuple[dict[str, str], int]] = [
        ({"If-None-Match": tag}, 304),
        ({"If-None-Match": f"W/{tag}"}, 304),
        ({"If-None-Match": f"{other}, {tag}"}, 304),
        ({"If-None-Match": "*"}, 304),
        ({"If-None-Match": other}, 200),
        ({"If-None-Match": other, "If-Modified-Since": date}, 200),
        ({"If-Modified-Since": date}, 304),
        ({"If-Modified-Since": "Fri, 20 Nov 2026 01:30:00 GMT"}, 200),
        ({"If-Modified-Since": "some day"}, 200),
        ({"If-Match": tag}, 200),
        ({"If-Match": f"W/{tag}"}, 412),
        ({"If-Match": other}, 412),
        ({"If-Unmodified-Since": date}, 200),
        ({"If-Unmodified-Since": "Fri, 20 Nov 2026 01:30:00 GMT"}, 412),
        ({"If-Range": tag, "Range": "bytes=0-0"}, 206),
        ({"If-Range": f"W/{tag}", "Range": "bytes=0-0"}, 200),
        ({"If-Range": other, "Range": "bytes=0-0"}, 200),
        ({"If-Range": date, "Range": "bytes=0-0"}, 206),
        ({"If-Range": "Fri, 20 Nov 2026 01:30:00 GMT", "Range": "bytes=0-0"}, 200),
        ({"If-None-Match": tag, "Range": "bytes=0-0"}, 304),
    ]
    for headers, status in cases:
        answer = await edge.call("GET", path_of(file.file_id), headers=headers)
        assert answer.status_code == status, headers
        if status == 304:
            assert answer.content == b""
            assert answer.headers["etag"] == tag
            assert "content-length" not in answer.headers
        if status == 412:
            assert error_of(answer)["code"] == "PRECONDITION_FAILED"


async def test_head_says_the_same_and_asks_for_no_bytes(edge: Edge, behind: Behind) -> None:
    file = behind.add(CONTENT)
    got = await edge.call("GET", path_of(file.file_id))
    behind.calls.clear()
    head = await edge.call("HEAD", path_of(file.file_id), headers={"Range": "bytes=0-1"})
    assert (head.status_code, head.content) == (200, b"")
    unlike = {"date", "x-request-id"}
    assert {k: v for k, v in head.headers.items() if k not in unlike} == {
        k: v for k, v in got.headers.items() if k not in unlike
    }
    assert behind.calls == ["GetFile"]
    assert (await edge.call("HEAD", path_of(file.file_id), headers={"If-None-Match": "*"})).status_code == 304
    missing = await edge.call("HEAD", path_of(new_id()))
    assert (missing.status_code, missing.content) == (404, b"")


@pytest.mark.parametrize("status", [each for each in FileStatus if each is not FileStatus.ACTIVE])
async def test_what_is_not_served_is_not_served_in_any_way(edge: Edge, behind: Behind, status: FileStatus) -> None:
    file = behind.add(CONTENT, status=status)
    expected = 500 if status is FileStatus.DAMAGED else 410
    tag = f'"{file.sha256}"'
    for headers in ({"If-None-Match": tag}, {"Range": "bytes=0-1"}, {"Range": "bytes=999999999-"}):
        answer = await edge.call("GET", path_of(file.file_id), headers=headers)
        assert (answer.status_code, error_of(answer)["code"]) == (expected, f"FILE_{status.name}")
    head = await edge.call("HEAD", path_of(file.file_id))
    assert (head.status_code, head.content) == (expected, b"")


async def test_the_services_refusal_is_the_answer(edge: Edge, behind: Behind) -> None:
    file = behind.add(CONTENT)
    behind.failures["Download"] = FileDeleted("It was deleted.")
    answer = await edge.call("GET", path_of(file.file_id))
    assert (answer.status_code, error_of(answer)["code"]) == (410, "FILE_DELETED")
    assert "content-disposition" not in answer.headers


async def test_damage_found_at_the_end_of_a_small_document_is_an_error(edge: Edge, behind: Behind) -> None:
    file = behind.add(b"small")
    behind.break_download = (1, FileDamaged("The digest differs."))
    answer = await edge.call("GET", path_of(file.file_id))
    assert (answer.status_code, error_of(answer)["code"]) == (500, "FILE_DAMAGED")
    assert "small" not in answer.text


@pytest.mark.parametrize("chunks", [2, 3, 4])
async def test_what_breaks_later_breaks_the_connection(edge: Edge, behind: Behind, chunks: int) -> None:
    file = behind.add(CONTENT)
    behind.break_download = (chunks, ServiceUnavailable("The element is gone."))
    head, body, clean = await raw_download(edge, file.file_id)
    assert b"200 OK" in head
    assert not clean
    assert len(body) < len(CONTENT)
    assert CONTENT.startswith(body)


async def test_a_client_that_leaves_ends_the_download_inside(edge: Edge, behind: Behind) -> None:
    file = behind.add(CONTENT)
    behind.reading.clear()  # the service has nothing more to send for now
    _, writer = await edge.connect()
    writer.write(edge.head("GET", path_of(file.file_id)))
    async with asyncio.timeout(5):
        await behind.download_began.wait()
    writer.transport.abort()
    async with asyncio.timeout(5):
        await behind.download_ended.wait()


async def test_a_client_that_does_not_read_stops_the_source(edge: Edge, behind: Behind) -> None:
    content = bytes(64 << 20)
    file = behind.add(content)
    reader, writer = await edge.connect()
    writer.write(edge.head("GET", path_of(file.file_id)))
    await reader.readuntil(b"\r\n\r\n")
    writer.transport.pause_reading()  # type: ignore[attr-defined]  # asyncio's own
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(timedelta(seconds=1).total_seconds()):
            await behind.download_ended.wait()
    writer.transport.resume_reading()  # type: ignore[attr-defined]  # asyncio's own
    assert len(await reader.readexactly(len(content))) == len(content)
    writer.close()


async def raw_download(edge: Edge, file_id: str) -> tuple[bytes, bytes, bool]:
    """Head, body, and whether the connection was ended in good order."""
    reader, writer = await edge.connect()
    writer.write(edge.head("GET", path_of(file_id), "Connection: close"))
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")
    )
    try:
        body = await reader.readexactly(length)
    except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError) as error:
        return head, getattr(error, "partial", b""), False
    finally:
        writer.transport.abort()
    return head, body, True
