"""The form of an upload, read while it arrives: first the part `metadata`, then the part `file`, nothing else.

RFC 7578. The parser of the `multipart` package is fed with what the socket gives and hands out the bytes of the file
as it goes: nothing is gathered but the metadata (64 KiB at most) and the few bytes that may begin a boundary.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TypeAlias

from multipart import MultipartError, MultipartSegment, ParserLimitReached, PushMultipartParser, parse_options_header

from gateway.http import form_disposition
from gateway.http.form_disposition import PartName
from services.model.errors import UnsupportedMediaType, ValidationFailed

METADATA = "metadata"
FILE = "file"
METADATA_LIMIT = 64 << 10
"""Bytes of the part `metadata`."""
_AROUND = 64 << 10
"""Bytes that may come before the first boundary and after the last one (RFC 2046 section 5.1.1), about: only pieces
without any byte of a part count."""
_HEADER_LIMIT = 16 << 10
"""Bytes of one header line of a part: several times the longest file name that is kept."""
_HEADERS = 16
_MEDIA_TYPE = "multipart/form-data"
_MAX_BOUNDARY = 200
"""RFC 2046 allows 70."""

_Event: TypeAlias = MultipartSegment | bytes | None
"""A part begins, bytes of it, the part ends."""


@dataclass(frozen=True, slots=True)
class FilePart:
    """What the part `file` says of itself before its bytes."""

    filename: str
    content_type: str
    """As sent, parameters included; empty where there is none."""
    headers: dict[str, str]
    """All its headers, names in small letters."""


def boundary_of(content_type: str | None) -> str:
    """The boundary of a multipart body. Raises `UnsupportedMediaType`, or `ValidationFailed` where it is missing."""
    kind, options = parse_options_header(content_type or "")
    if kind != _MEDIA_TYPE:
        raise UnsupportedMediaType("The body must be multipart/form-data with the parts metadata and file.")
    boundary: str = options.get("boundary", "")
    if not 0 < len(boundary) <= _MAX_BOUNDARY or not boundary.isascii() or not boundary.isprintable():
        raise ValidationFailed.of("Content-Type", "multipart/form-data needs a boundary")
    return boundary


class UploadForm:
    """Read it in the order of its methods: `metadata`, `file`, `content`.

    Each raises `ValidationFailed` naming the part that is wrong, and lets pass what the body itself raises.
    """

    def __init__(self, body: AsyncIterator[bytes], boundary: str) -> None:
        self._events = _events(body, boundary)

    async def metadata(self) -> bytes:
        """The content of the part `metadata`."""
        part = await self._begin(expected=METADATA, else_say="must be the first part of the form, before file")
        if part.name != METADATA:
            raise ValidationFailed.of(_shown(part.name), "only the parts metadata and file are known, in this order")
        found = bytearray()
        async for piece in self._content():
            found += piece
            if len(found) > METADATA_LIMIT:
                raise ValidationFailed.of(METADATA, f"is larger than {METADATA_LIMIT} bytes")
        return bytes(found)

    async def file(self) -> FilePart:
        """What the part `file` says before its bytes."""
        part = await self._begin(expected=FILE, else_say="is missing: it must follow metadata")
        if part.name == METADATA:
            raise ValidationFailed.of(METADATA, "is given twice")
        if part.name != FILE:
            raise ValidationFailed.of(_shown(part.name), "only the parts metadata and file are known, in this order")
        if not part.filename:
            raise ValidationFailed.of(FILE, "needs a file name in its Content-Disposition")
        return FilePart(part.filename, self._headers.get("content-type", ""), self._headers)

    async def content(self) -> AsyncIterator[bytes]:
        """The bytes of the file. It ends only after the form has: the last boundary was there and no part followed."""
        async for piece in self._content():
            yield piece
        async for event in self._events:
            if isinstance(event, MultipartSegment):
                raise ValidationFailed.of(_shown(_name_of(event).name), "nothing may follow the part file")

    async def _begin(self, *, expected: str, else_say: str) -> PartName:
        """The next part's name; its headers are kept."""
        event = await anext(self._events, None)
        if not isinstance(event, MultipartSegment):
            raise ValidationFailed.of(expected, else_say)
        self._headers = {name.lower(): value for name, value in event.headerlist}
        name = _name_of(event)
        if expected == METADATA and name.name == FILE:
            raise ValidationFailed.of(METADATA, else_say)
        return name

    async def _content(self) -> AsyncIterator[bytes]:
        async for event in self._events:
            if event is None:
                return
            assert isinstance(event, bytes)
            yield event


async def _events(body: AsyncIterator[bytes], boundary: str) -> AsyncIterator[_Event]:
    """The parser's events. Ends only if the form is complete; what surrounds it is bounded."""
    # Not strict: that mode refuses a line end after the last boundary when it comes in a piece of its own.
    try:
        parser = PushMultipartParser(boundary, max_header_size=_HEADER_LIMIT, max_header_count=_HEADERS)
        outside = 0
        async for piece in body:
            inside = False
            for event in parser.parse(piece):
                inside = True
                yield event
            outside = 0 if inside else outside + len(piece)
            if outside > _AROUND:
                raise ValidationFailed.of("body", "is not a form with this boundary")
        parser.close()
    except ParserLimitReached:
        raise ValidationFailed.of(
            "body", f"a part has more than {_HEADERS} headers or one above {_HEADER_LIMIT} bytes"
        ) from None
    except MultipartError as error:
        raise ValidationFailed.of("body", f"is not a complete multipart form: {error}") from None


def _name_of(part: MultipartSegment) -> PartName:
    headers = [value for name, value in part.headerlist if name == "Content-Disposition"]
    if len(headers) != 1:
        raise ValidationFailed.of("body", "each part needs one Content-Disposition")
    return form_disposition.parse(headers[0])


def _shown(name: str) -> str:
    """A name that a client made up, as a field of an error."""
    return name[:64] or "(unnamed)"
