"""A form may arrive in any pieces and hold any bytes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.http.body import ClientLeft
from gateway.http.multipart import METADATA_LIMIT, UploadForm, boundary_of
from services.model.errors import UnsupportedMediaType, ValidationFailed

MARK = "mark"
HEAD = (
    f'--{MARK}\r\nContent-Disposition: form-data; name="metadata"\r\n\r\n{{}}\r\n'
    f'--{MARK}\r\nContent-Disposition: form-data; name="file"; filename="a"\r\nContent-Type: A/b; c="D"\r\n\r\n'
).encode()
TAIL = f"\r\n--{MARK}--\r\n".encode()


async def pieces(body: bytes, sizes: Sequence[int], *, then: Exception | None = None) -> AsyncIterator[bytes]:
    """`body` in pieces of these sizes, over and over."""
    at = number = 0
    while at < len(body):
        size = sizes[number % len(sizes)] if sizes else len(body)
        yield body[at : at + size]
        at, number = at + size, number + 1
    if then is not None:
        raise then


def read(body: AsyncIterator[bytes]) -> tuple[bytes, str, bytes]:
    """Metadata, content type and content of a form."""

    async def all_of_it() -> tuple[bytes, str, bytes]:
        form = UploadForm(body, MARK)
        metadata = await form.metadata()
        file = await form.file()
        return metadata, file.content_type, b"".join([piece async for piece in form.content()])

    return asyncio.run(all_of_it())


@given(
    st.lists(st.sampled_from([b"\r", b"\n", b"-", b"--", MARK.encode(), b"\r\n--mar", b"\r\n--", b"x", b"\0"])).map(
        b"".join
    ),
    st.lists(st.integers(1, 40), min_size=1, max_size=5),
)
@example(b"\r\n--mar\r\n", [1])
def test_any_content_survives_any_cutting(content: bytes, sizes: list[int]) -> None:
    if f"\r\n--{MARK}".encode() in b"\r\n" + content + b"\r\n--":
        return  # the sender may not choose a boundary that is in the content
    assert read(pieces(HEAD + content + TAIL, sizes)) == (b"{}", 'A/b; c="D"', content)


@given(st.integers(0, len(HEAD + TAIL) + 5), st.lists(st.integers(1, 100), min_size=1, max_size=3))
def test_a_form_that_ends_early_is_refused(end: int, sizes: list[int]) -> None:
    body = HEAD + b"12345" + TAIL
    complete = end >= len(body) - 2  # the line end after the last boundary is nobody's
    try:
        read(pieces(body[:end], sizes))
    except ValidationFailed:
        assert not complete
    else:
        assert complete


@given(st.integers(0, len(HEAD + TAIL)))
def test_a_client_that_leaves_is_not_taken_for_the_end(end: int) -> None:
    with pytest.raises(ClientLeft):
        read(pieces((HEAD + TAIL)[:end], [7], then=ClientLeft()))


def test_bytes_flow_before_the_form_is_complete() -> None:
    async def first() -> bytes:
        form = UploadForm(pieces(HEAD + b"x" * 100_000, [1000], then=ClientLeft()), MARK)
        await form.metadata()
        await form.file()
        async for piece in form.content():
            return piece
        return b""

    assert asyncio.run(first()).startswith(b"x")


def test_metadata_are_bounded_while_they_arrive() -> None:
    opened = HEAD.split(b"{}")[0]
    with pytest.raises(ValidationFailed, match="larger"):
        read(pieces(opened + b" " * (METADATA_LIMIT + 1), [1 << 14], then=ClientLeft()))


@pytest.mark.parametrize(
    ("header", "boundary"),
    [
        ("multipart/form-data; boundary=abc", "abc"),
        ('Multipart/Form-Data; charset=utf-8; Boundary="a b;c"', "a b;c"),
        ("multipart/form-data;boundary=----WebKitFormBoundary7MA4YWxk", "----WebKitFormBoundary7MA4YWxk"),
    ],
)
def test_the_boundary_is_found(header: str, boundary: str) -> None:
    assert boundary_of(header) == boundary


@pytest.mark.parametrize(
    "header", [None, "", "multipart/mixed; boundary=x", "application/json", "xmultipart/form-data"]
)
def test_what_is_no_form_is_refused(header: str | None) -> None:
    with pytest.raises(UnsupportedMediaType):
        boundary_of(header)


@pytest.mark.parametrize("boundary", ["", '""', "x" * 201, "ü", '"a\x01"'])
def test_a_boundary_that_is_none_is_refused(boundary: str) -> None:
    with pytest.raises(ValidationFailed):
        boundary_of(f"multipart/form-data; boundary={boundary}")
