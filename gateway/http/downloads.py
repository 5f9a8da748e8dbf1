"""Downloads: conditions, ranges, and bytes passed on as fast as the client takes them. RFC 9110 sections 13 to 15."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any

from litestar import Request
from litestar.handlers import HTTPRouteHandler, route
from litestar.params import FromPath
from litestar.types import ASGIApp

from gateway.http.bearer import Bearer
from gateway.http.conditions import Outcome, etag_of_content, evaluate, http_date, range_applies
from gateway.http.digest import repr_digest
from gateway.http.disposition import attachment
from gateway.http.errors import Refusal
from gateway.http.ranges import content_range, resolve, unsatisfied
from gateway.http.resource import Resource
from gateway.http.streaming import Bodiless, Content
from gateway.ports import Documents
from services.chassis.caller import Identity
from services.chassis.places import Places
from services.chassis.steps import DOWNLOADS, Steps
from services.model.errors import (
    ArtStoreError,
    FileDamaged,
    FileDeleted,
    FileExpired,
    FileMissing,
    PreconditionFailed,
    RangeNotSatisfiable,
)
from services.model.files import DEFAULT_CONTENT_TYPE, ByteRange, FileAttributes, FileStatus
from services.model.ids import FileId, parse_file_id

UNSERVED: Mapping[FileStatus, ArtStoreError] = {
    FileStatus.DELETED: FileDeleted("The file was deleted."),
    FileStatus.EXPIRED: FileExpired("The file's time has passed."),
    FileStatus.MISSING: FileMissing("The file's content is missing."),
    FileStatus.DAMAGED: FileDamaged("The file's content is damaged and is not served."),
}
"""What the service says of a file that is not served, for requests that ask for no bytes. With `ACTIVE`, total."""

_CONDITIONAL = ("range", "if-match", "if-none-match", "if-modified-since", "if-unmodified-since")

HttpRequest = Request[Any, Any, Any]


class Downloads(Resource):
    """`/files/{id}/download`."""

    def __init__(self, documents: Documents, bearer: Bearer, places: Places) -> None:
        """`places`: for those that are under way."""
        self._documents = documents
        self._bearer = bearer
        self._places = places
        self._steps = Steps(DOWNLOADS)

    def routes(self) -> Sequence[HTTPRouteHandler]:
        return [route("/files/{file_id:str}/download", http_method=["GET", "HEAD"])(self.download)]

    async def download(self, request: HttpRequest, file_id: FromPath[str]) -> ASGIApp:
        """The bytes, or what a condition says instead of them. HEAD asks nobody for bytes."""
        identity = await self._bearer(request)
        known = parse_file_id(file_id)
        if request.method == "GET" and not any(name in request.headers for name in _CONDITIONAL):
            return await self._content(known, None, identity)
        file = await self._documents.file(known, on_behalf_of=identity)
        if file.status in UNSERVED:
            refusal = UNSERVED[file.status]
            raise type(refusal)(refusal.message)
        etag = etag_of_content(file.sha256)
        match evaluate(request.headers, etag=etag, modified=file.uploaded_at):
            case Outcome.NOT_MODIFIED:
                return Bodiless(304, headers_of(file))
            case Outcome.FAILED:
                raise PreconditionFailed("The file is not the one that the request expects.")
        if request.method == "HEAD":  # ranges are for GET alone (section 14.2)
            return Bodiless(200, {**headers_of(file), **content_headers(file, None)})
        if not range_applies(request.headers.get("if-range"), etag=etag, modified=file.uploaded_at):
            return await self._content(known, None, identity)
        try:
            wanted = resolve(request.headers.get("range"), file.size)
        except RangeNotSatisfiable as error:
            raise Refusal(error, {"content-range": unsatisfied(file.size)}) from None
        return await self._content(known, wanted, identity)

    async def _content(self, file_id: FileId, wanted: ByteRange | None, identity: Identity) -> ASGIApp:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._places.taken())
            content = await stack.enter_async_context(self._documents.download(file_id, wanted, on_behalf_of=identity))
            headers = {**headers_of(content.file), **content_headers(content.file, wanted)}
            return Content(200 if wanted is None else 206, headers, content, stack.pop_all(), self._steps)


def headers_of(file: FileAttributes) -> dict[str, str]:
    """What is said of a document's content with 200, 206 and 304 alike."""
    return {
        "etag": etag_of_content(file.sha256),
        "last-modified": http_date(file.uploaded_at),
        "cache-control": "private, no-cache",  # may be kept, but asked about: it may have been deleted meanwhile
        "accept-ranges": "bytes",
        "vary": "authorization",
    }


def content_headers(file: FileAttributes, part: ByteRange | None) -> dict[str, str]:
    """What is said of the bytes that follow."""
    headers = {
        "content-type": file.content_type.strip() or DEFAULT_CONTENT_TYPE,
        "content-length": str(file.size if part is None else len(part)),
        "content-disposition": attachment(file.original_filename),
        "repr-digest": repr_digest(file.sha256),
        # Somebody else's document must never act as a page of ours, whatever its type says.
        "x-content-type-options": "nosniff",
        "content-security-policy": "default-src 'none'; sandbox",
    }
    if part is not None:
        headers["content-range"] = content_range(part, file.size)
    return headers
