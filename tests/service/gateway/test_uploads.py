"""Bytes on their way in: kept exactly or not at all, whatever the client does."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
import secrets
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlencode

import pytest

from services.model.errors import FileTooLarge, NoElementAvailable
from services.model.files import RetentionPolicy
from tests.doubles.behind_the_edge import Behind
from tests.service.gateway.edge import Edge, error_of, fields_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

FORM = "/api/v1/files/upload"
RAW = "/api/v1/files/content?filename=raw.bin&retention_policy=temporary"
MARK = "----artstore-boundary"
MULTIPART = f"multipart/form-data; boundary={MARK}"
TEMPORARY = b'{"retention_policy": "temporary"}'


def part(name: str, content: bytes, extra: str = "", *headers: str) -> bytes:
    head = "\r\n".join([f'Content-Disposition: form-data; name="{name}"{extra}', *headers])
    return f"--{MARK}\r\n{head}\r\n\r\n".encode() + content + b"\r\n"


def form(*parts: bytes) -> bytes:
    return b"".join(parts) + f"--{MARK}--\r\n".encode()


def document(content: bytes, name: str = "a.bin", *headers: str, metadata: bytes = TEMPORARY) -> bytes:
    return form(part("metadata", metadata), part("file", content, f'; filename="{name}"', *headers))


async def send(edge: Edge, body: bytes, **headers: str) -> Any:
    sent = {"Content-Type": MULTIPART, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return await edge.call("POST", FORM, content=body, headers=sent)


def digest(content: bytes) -> str:
    return f"sha-256=:{base64.b64encode(hashlib.sha256(content).digest()).decode()}:"


# -- What goes well ----------------------------------------------------------------------------------------------------


async def test_a_form_is_stored_with_all_that_it_says(edge: Edge, behind: Behind) -> None:
    content = os.urandom(3_000_000)
    metadata = {
        "retention_policy": "temporary", "ttl_days": 7, "description": "Договор", "tags": ["договор", "a", "a"],
        "metadata": {"n": 12345678901234567890123, "nested": [{"a": None}]},
    }  # fmt: skip
    body = document(
        content, "Договор №7.pdf", "Content-Type: application/pdf; x=1", metadata=json.dumps(metadata).encode()
    )
    answer = await send(edge, body)
    assert answer.status_code == 201, answer.text
    file = answer.json()
    assert answer.headers["location"] == f"/api/v1/files/{file['file_id']}"
    assert answer.headers["etag"] == '"1"'
    assert (file["size"], file["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
    assert (file["original_filename"], file["content_type"]) == ("Договор №7.pdf", "application/pdf; x=1")
    assert (file["description"], file["tags"], file["ttl_days"]) == ("Договор", ["договор", "a"], 7)
    assert file["metadata"] == metadata["metadata"]
    (upload,) = behind.uploads
    assert bytes(upload.content) == content
    assert upload.header.declared_size is None
    assert all(256 << 10 <= size <= 1 << 20 for size in upload.chunks[:-1])


async def test_a_raw_body_is_stored_and_its_size_declared(edge: Edge, behind: Behind) -> None:
    content = os.urandom(2_000_000)
    query = urlencode(
        [
            ("filename", "Ж&=#?.txt"),
            ("retention_policy", "permanent"),
            ("description", "d d"),
            ("tags", "a"),
            ("tags", "b"),
        ]
    )
    answer = await edge.call(
        "PUT", f"/api/v1/files/content?{query}", content=content, headers={"Content-Type": "text/plain; charset=koi8-r"}
    )
    assert answer.status_code == 201, answer.text
    (upload,) = behind.uploads
    assert bytes(upload.content) == content
    header = upload.header
    assert (header.original_filename, header.content_type) == ("Ж&=#?.txt", "text/plain; charset=koi8-r")
    assert (header.retention_policy, header.description) == (RetentionPolicy.PERMANENT, "d d")
    assert (header.tags, header.declared_size) == (("a", "b"), len(content))


async def test_a_raw_body_of_unknown_length_is_stored(edge: Edge, behind: Behind) -> None:
    async def content() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b"x" * 1000

    assert (await edge.call("PUT", RAW, content=content())).status_code == 201
    assert behind.uploads[0].header.declared_size is None
    assert len(behind.uploads[0].content) == 100_000


@pytest.mark.parametrize("length", [0, 1])
async def test_the_smallest_documents(edge: Edge, behind: Behind, length: int) -> None:
    assert (await edge.call("PUT", RAW, content=b"x" * length)).status_code == 201
    assert (await send(edge, document(b"x" * length))).status_code == 201
    assert [bytes(upload.content) for upload in behind.uploads] == [b"x" * length] * 2


async def test_content_that_looks_like_a_boundary_is_kept(edge: Edge, behind: Behind) -> None:
    content = f"\r\n--{MARK[:-1]}\r\n--\r\n\r\r\n-{MARK}\r\n--{MARK.upper()}--\r\n\r".encode() * 3000
    assert (await send(edge, document(content))).status_code == 201
    assert bytes(behind.uploads[0].content) == content


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("../../etc/passwd", "../../etc/passwd"),
        ("ы" * 300 + ".txt", "ы" * 300 + ".txt"),
        ("quo%22te.txt", 'quo"te.txt'),
        ("line%0D%0Abreak", "line\r\nbreak"),
        ("tab\tname.txt", "tab\tname.txt"),
        ("C:\\Users\\me\\x.txt", "C:\\Users\\me\\x.txt"),
        ("\\\\server\\share", "\\\\server\\share"),
        ("ends\\", "ends\\"),
        ('old \\"style\\" \\\\', 'old "style" \\'),
        ("100%25 %D0%96", "100%25 %D0%96"),
        ("a;b; name=c", "a;b; name=c"),
        ("\u202egpj.exe", "\u202egpj.exe"),
        (" spaces ", " spaces "),
        (".hidden", ".hidden"),
        ("\x01\x7f", "\x01\x7f"),
    ],
)
async def test_a_file_name_is_kept_exactly(edge: Edge, written: str, meant: str) -> None:
    answer = await send(edge, document(b"x", written))
    assert answer.status_code == 201, answer.text
    assert answer.json()["original_filename"] == meant
    back = await edge.call("GET", f"/api/v1/files/{answer.json()['file_id']}/download")
    disposition = back.headers["content-disposition"]
    assert disposition.isascii()
    assert disposition.isprintable()


async def test_an_extended_file_name_wins(edge: Edge) -> None:
    extra = "; filename=\"plain.txt\"; filename*=UTF-8''%D0%96%20%22.txt"
    answer = await send(edge, form(part("metadata", TEMPORARY), part("file", b"x", extra)))
    assert answer.json()["original_filename"] == 'Ж ".txt'


async def test_the_right_digest_is_accepted_wherever_it_stands(edge: Edge, behind: Behind) -> None:
    content = b"content"
    assert (await send(edge, document(content), Repr_Digest=digest(content))).status_code == 201
    assert (await send(edge, document(content, "a", f"Content-Digest: {digest(content)}"))).status_code == 201
    for name in ("Repr-Digest", "Content-Digest"):
        headers = {name: f"sha-512=:AAAA:, {digest(content)}"}
        assert (await edge.call("PUT", RAW, content=content, headers=headers)).status_code == 201
    assert [upload.declared for upload in behind.uploads] == [hashlib.sha256(content).hexdigest()] * 4


async def test_the_digest_of_a_whole_form_is_not_taken_for_the_files(edge: Edge, behind: Behind) -> None:
    body = document(b"content")
    assert (await send(edge, body, Content_Digest=digest(body))).status_code == 201
    assert behind.uploads[0].declared is None


# -- What is refused ---------------------------------------------------------------------------------------------------


async def test_a_wrong_digest_is_a_checksum_mismatch(edge: Edge, behind: Behind) -> None:
    answer = await send(edge, document(b"content"), Repr_Digest=digest(b"something else"))
    assert (answer.status_code, error_of(answer)["code"]) == (400, "CHECKSUM_MISMATCH")
    assert behind.files == {}


@pytest.mark.parametrize(
    "value", ["sha-256=abc", "sha-256=:AAAA:", "sha-256", "sha-256=:not base64!:", "=:AAAA:", f"{digest(b'')} x", "🙂"]
)
async def test_a_malformed_digest_is_400(edge: Edge, behind: Behind, value: str) -> None:
    answer = await edge.call("PUT", RAW, content=b"", headers={"Repr-Digest": value.encode()})  # type: ignore[dict-item]
    assert fields_of(answer) == ["Repr-Digest"]
    assert behind.uploads == []


@pytest.mark.parametrize(
    ("metadata", "field"),
    [
        (b"{nope", "metadata"),
        (b"", "metadata"),
        (b"[]", "metadata"),
        (b"\xff", "metadata"),
        (b"{}", "retention_policy"),
        (b'{"retention_policy": "eternal"}', "retention_policy"),
        (b'{"retention_policy": 1}', "retention_policy"),
        (b'{"retention_policy": "permanent", "colour": 1}', "colour"),
        (b'{"retention_policy": "permanent", "ttl_days": 3}', "ttl_days"),
        (b'{"retention_policy": "temporary", "ttl_days": 9999}', "ttl_days"),
        (b'{"retention_policy": "temporary", "ttl_days": 0}', "ttl_days"),
        (b'{"retention_policy": "temporary", "ttl_days": 1.5}', "ttl_days"),
        (b'{"retention_policy": "temporary", "ttl_days": "3"}', "ttl_days"),
        (b'{"retention_policy": "temporary", "tags": "a"}', "tags"),
        (b'{"retention_policy": "temporary", "tags": [""]}', "tags"),
        (b'{"retention_policy": "temporary", "description": 1}', "description"),
        (b'{"retention_policy": "temporary", "metadata": [1]}', "metadata"),
        (b'{"retention_policy": "temporary", "metadata": {"a": NaN}}', "metadata"),
        (b'{"retention_policy": "temporary", "metadata": {"a": ' + b"[" * 30000 + b"]" * 30000 + b"}}", "metadata"),
        (b'{"retention_policy": "temporary", "metadata": {"a": "' + b"x" * (65 << 10) + b'"}}', "metadata"),
    ],
)
async def test_metadata_that_are_wrong_are_400_naming_the_field(
    edge: Edge, behind: Behind, metadata: bytes, field: str
) -> None:
    assert fields_of(await send(edge, document(b"x", metadata=metadata))) == [field]
    assert behind.uploads == []


META, FILE = part("metadata", TEMPORARY), part("file", b"x", '; filename="a"')


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (form(FILE), "metadata"),
        (form(FILE, META), "metadata"),
        (form(META), "file"),
        (form(META, META, FILE), "metadata"),
        (form(META, FILE, FILE), "file"),
        (form(META, FILE, META), "metadata"),
        (form(META, FILE, part("other", b"x")), "other"),
        (form(part("other", b"x"), META, FILE), "other"),
        (form(META, part("other", b"x"), FILE), "other"),
        (form(META, part("file", b"x")), "file"),
        (form(META, part("file", b"x", '; filename=""')), "file"),
        (form(META, part("file", b"x", '; filename="' + "a" * 1025 + '"')), "filename"),
        (form(META, part("file", b"x", '; filename="a\0b"')), "filename"),
        (form(META, part("file", b"x", "; filename*=UTF-8''%ff")), "filename"),
        (form(META, part("file", b"x", "; filename*=x")), "filename"),
        (form(META, FILE.replace(b'"a"', b'"\xff"')), "body"),
        (form(META, FILE.replace(b'"a"', b'"a"; filename="b"')), "body"),
        (form(META, FILE.replace(b"form-data", b"attachment")), "body"),
        (form(META, FILE.replace(b"Content-Disposition", b"X-Nothing")), "body"),
        (form(META, part("file", b"x", '; filename="a"', *[f"X-{n}: 1" for n in range(20)])), "body"),
        (form(META, part("file", b"x", '; filename="a"', "X: " + "a" * 20_000)), "body"),
        (form(META, FILE)[:-8], "body"),
        (META + FILE, "body"),
        (b"", "body"),
        (f"--{MARK}--\r\n".encode(), "metadata"),
        (b"x" * 2_000_000, "body"),
        (form(META, FILE) + b"x" * 2_000_000, "body"),
        (form(META, FILE).replace(MARK.encode(), b"another"), "body"),
        (b"junk" + form(META, FILE), "body"),
    ],
)
async def test_a_form_that_is_not_as_it_should_be_is_400_and_keeps_nothing(
    edge: Edge, behind: Behind, body: bytes, field: str
) -> None:
    assert fields_of(await send(edge, body)) == [field]
    assert not any(upload.committed for upload in behind.uploads)
    assert behind.files == {}


@pytest.mark.parametrize(
    "content_type",
    ["multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=" + "x" * 300,
     "multipart/form-data" + ";  " * 5000 + "x"],
)  # fmt: skip
async def test_a_form_without_a_boundary_is_400(edge: Edge, content_type: str) -> None:
    answer = await edge.call("POST", FORM, content=b"x", headers={"Content-Type": content_type})
    assert fields_of(answer) == ["Content-Type"]


@pytest.mark.parametrize("content_type", ["application/json", "multipart/mixed; boundary=x", "text/plain", ""])
async def test_what_is_no_form_is_415(edge: Edge, content_type: str) -> None:
    answer = await edge.call("POST", FORM, content=b"x", headers={"Content-Type": content_type})
    assert (answer.status_code, error_of(answer)["code"]) == (415, "UNSUPPORTED_MEDIA_TYPE")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("retention_policy=temporary", "filename"),
        ("filename=a", "retention_policy"),
        ("filename=&retention_policy=temporary", "filename"),
        ("filename=%ff&retention_policy=temporary", "query"),
        ("filename=%00&retention_policy=temporary", "filename"),
        ("filename=a&filename=b&retention_policy=temporary", "filename"),
        ("filename=a&retention_policy=temporary&ttl_days=366", "ttl_days"),
        ("filename=a&retention_policy=temporary&ttl_days=x", "ttl_days"),
        ("filename=a&retention_policy=temporary&ttl-days=3", "ttl-days"),
        ("filename=a&retention_policy=permanent&ttl_days=3", "ttl_days"),
    ],
)
async def test_an_address_that_is_wrong_is_400_naming_the_field(
    edge: Edge, behind: Behind, query: str, field: str
) -> None:
    assert fields_of(await edge.call("PUT", f"/api/v1/files/content?{query}", content=b"x")) == [field]
    assert behind.uploads == []


async def test_compressed_and_partial_bodies_are_refused(edge: Edge, behind: Behind) -> None:
    answer = await edge.call("PUT", RAW, content=b"x", headers={"Content-Encoding": "gzip"})
    assert (answer.status_code, error_of(answer)["code"]) == (415, "UNSUPPORTED_MEDIA_TYPE")
    answer = await edge.call("PUT", RAW, content=b"x", headers={"Content-Range": "bytes 0-0/2"})
    assert fields_of(answer) == ["Content-Range"]
    assert behind.uploads == []


async def test_a_content_type_that_could_leave_its_header_is_refused(edge: Edge) -> None:
    body = document(b"x", "a", "Content-Type: text/plain\rX-Evil: 1")
    assert fields_of(await send(edge, body)) == ["content_type"]


async def test_without_an_element_it_is_503(edge: Edge, behind: Behind) -> None:
    behind.failures["Upload"] = NoElementAvailable("No element takes permanent files.")
    answer = await send(edge, document(b"x" * 1_000_000))
    assert answer.status_code == 503, edge.process.log[-3000:]
    assert error_of(answer)["code"] == "NO_ELEMENT_AVAILABLE"
    assert answer.headers["retry-after"]


async def test_without_the_scope_it_is_403(edge: Edge) -> None:
    answer = await edge.call("PUT", RAW, content=b"x" * 1_000_000, token=edge.token(scope="files:read"))
    assert (answer.status_code, error_of(answer)["code"]) == (403, "FORBIDDEN")


# -- Refusals while the body is still coming ---------------------------------------------------------------------------


async def test_a_refusal_in_the_middle_is_answered_at_once_and_can_be_read(edge: Edge, behind: Behind) -> None:
    behind.refuse_after = (1_000_000, FileTooLarge("More than 1000000 bytes."))
    for length in ("Content-Length: 1000000000", "Transfer-Encoding: chunked"):
        reader, writer = await edge.connect()
        writer.write(edge.head("PUT", RAW, length))
        piece = bytes(1_500_000)
        writer.write(piece if length.startswith("C") else b"%x\r\n%b\r\n" % (len(piece), piece))
        async with asyncio.timeout(10):
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readuntil(b"\r\n")  # the chunk's size
            body = await reader.readuntil(b"}}")
        assert head.startswith(b"HTTP/1.1 413 ")
        assert json.loads(body)["error"]["code"] == "FILE_TOO_LARGE"
        writer.close()
    assert behind.files == {}


async def test_a_client_that_sends_all_before_it_reads_gets_the_answer(edge: Edge, behind: Behind) -> None:
    behind.refuse_after = (1_000_000, FileTooLarge("More than 1000000 bytes."))
    total = 40 << 20
    reader, writer = await edge.connect()
    writer.write(edge.head("PUT", RAW, f"Content-Length: {total}"))
    for _ in range(total >> 20):
        writer.write(bytes(1 << 20))
        await writer.drain()
    async with asyncio.timeout(10):
        answer = await reader.readuntil(b"}}\r\n0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 413 ")
    writer.close()


async def test_a_stranger_is_refused_before_the_first_byte_of_the_body(edge: Edge, behind: Behind) -> None:
    reader, writer = await edge.connect()
    writer.write(edge.head("PUT", RAW, "Content-Length: 1000000", token="a.b.c"))
    async with asyncio.timeout(10):
        head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 401 ")
    writer.close()
    assert behind.uploads == []


async def test_expect_continue_is_answered_by_the_refusal(edge: Edge) -> None:
    reader, writer = await edge.connect()
    lines = ("Content-Length: 1000000", "Expect: 100-continue")
    writer.write(edge.head("PUT", RAW, *lines, token="a.b.c"))
    async with asyncio.timeout(10):
        head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 401 ")
    writer.close()


async def test_expect_continue_is_answered_when_the_body_is_wanted(edge: Edge, behind: Behind) -> None:
    reader, writer = await edge.connect()
    writer.write(edge.head("PUT", RAW, "Content-Length: 3", "Expect: 100-continue"))
    async with asyncio.timeout(10):
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100 ")
        writer.write(b"abc")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 201 ")
    writer.close()


# -- Cuts --------------------------------------------------------------------------------------------------------------


def chunked(body: bytes) -> bytes:
    cuts = [body[at : at + 60_000] for at in range(0, len(body), 60_000)]
    return b"".join(b"%x\r\n%b\r\n" % (len(cut), cut) for cut in cuts) + b"0\r\n\r\n"


@pytest.mark.parametrize("how", ["close", "abort", "half"])
@pytest.mark.parametrize("kind", ["form", "raw"])
@pytest.mark.parametrize("framing", ["length", "chunked"])
async def test_a_body_that_is_cut_anywhere_keeps_nothing(
    edge: Edge, behind: Behind, how: str, kind: str, framing: str
) -> None:
    content = os.urandom(700_000)
    body = document(content) if kind == "form" else content
    lines = ["Content-Type: " + (MULTIPART if kind == "form" else "x/y")]
    sent = body if framing == "length" else chunked(body)
    lines.append(f"Content-Length: {len(body)}" if framing == "length" else "Transfer-Encoding: chunked")
    last = [len(sent) - n for n in (1, 2, 3, 4, 5, 6, 7, 30, 60)]
    for cut in [0, 1, *last, *(secrets.randbelow(len(sent)) for _ in range(9))]:
        behind.upload_began.clear()
        before = len(behind.uploads)
        _, writer = await edge.connect()
        writer.write(edge.head("POST" if kind == "form" else "PUT", FORM if kind == "form" else RAW, *lines))
        writer.write(sent[:cut])
        await writer.drain()
        if kind == "raw" or cut > 1000:
            async with asyncio.timeout(10):
                await behind.upload_began.wait()
        leave(writer, how)
        for upload in behind.uploads[before:]:
            async with asyncio.timeout(10):
                await upload.ended.wait()
            assert not upload.committed, (cut, len(sent))
        writer.transport.abort()
    assert behind.files == {}


def leave(writer: asyncio.StreamWriter, how: str) -> None:
    if how == "abort":
        writer.transport.abort()
    elif how == "half":
        # The sending side of the socket alone, without a word of TLS about it.
        writer.get_extra_info("socket")._sock.shutdown(1)
    else:
        writer.close()


async def test_a_client_that_leaves_while_it_waits_keeps_the_connection_to_nobody(edge: Edge, behind: Behind) -> None:
    behind.reading.clear()
    _, writer = await edge.connect()
    writer.write(edge.head("PUT", RAW, "Content-Length: 1000000") + bytes(600_000))
    async with asyncio.timeout(10):
        await behind.upload_began.wait()
        writer.transport.abort()
        behind.reading.set()
        await behind.uploads[0].ended.wait()
    assert not behind.uploads[0].committed


# -- Bounded memory ----------------------------------------------------------------------------------------------------


async def test_a_slow_receiver_stops_the_client(edge: Edge, behind: Behind) -> None:
    behind.reading.clear()
    behind.keep = False
    total = 256 << 20
    reader, writer = await edge.connect()
    writer.write(edge.head("PUT", RAW, f"Content-Length: {total}"))
    sent = await send_until_stopped(writer, total)
    assert sent < 64 << 20  # what sockets and flow-control windows on the way hold
    behind.reading.set()
    writer.write(bytes(total - sent))
    async with asyncio.timeout(30):
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 201 ")
    assert sum(behind.uploads[0].chunks) == total
    writer.close()


async def send_until_stopped(writer: asyncio.StreamWriter, total: int) -> int:
    """Send zeros until the other side has taken none for a while; how many were handed over."""
    for sent in range(1 << 20, total, 1 << 20):
        writer.write(bytes(1 << 20))
        try:
            async with asyncio.timeout(1.5):
                await writer.drain()
        except TimeoutError:
            return sent
    return total
