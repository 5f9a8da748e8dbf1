"""Uploads: a form or the bare bytes, passed on while they arrive.

Nothing of a document is kept here: the next piece is read from the client when the last one has been taken inside.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from litestar import Request, Response, post, put
from litestar.handlers import HTTPRouteHandler

from gateway.http import body, decoding, multipart
from gateway.http.bearer import Bearer
from gateway.http.digest import declared_sha256
from gateway.http.files import shown
from gateway.http.resource import Resource
from gateway.http.schemas.files import ContentQuery, UploadMetadata
from gateway.ports import Ingest
from services.chassis.caller import Identity
from services.chassis.places import Places
from services.model.errors import UnsupportedMediaType, ValidationFailed
from services.model.files import DEFAULT_CONTENT_TYPE, FileAttributes

FORM_PATH = "/files/upload"
CONTENT_PATH = "/files/content"

HttpRequest = Request[Any, Any, Any]


class Uploads(Resource):
    """`/files/upload` and `/files/content`."""

    def __init__(self, ingest: Ingest, bearer: Bearer, places: Places, *, base: str) -> None:
        """`places`: for those that are under way. `base`: what addresses of the API begin with."""
        self._ingest = ingest
        self._bearer = bearer
        self._places = places
        self._base = base

    def routes(self) -> Sequence[HTTPRouteHandler]:
        # No limit of ours on the body: how large a document may be is for its element to say.
        return [
            post(FORM_PATH, request_max_body_size=None)(self.form),
            put(CONTENT_PATH, request_max_body_size=None)(self.content),
        ]

    async def form(self, request: HttpRequest) -> Response[bytes]:
        """A form: first the part `metadata`, then the part `file`."""
        identity = await self._bearer(request)
        _require_plain(request)
        async with self._places.taken():
            return await self._form(request, identity)

    async def _form(self, request: HttpRequest, identity: Identity) -> Response[bytes]:
        boundary = multipart.boundary_of(request.headers.get("content-type"))
        form = multipart.UploadForm(body.pieces(request), boundary)
        metadata = decoding.json_text(await form.metadata(), UploadMetadata, whole=multipart.METADATA)
        part = await form.file()
        new_file = metadata.new_file(
            filename=part.filename, content_type=part.content_type or DEFAULT_CONTENT_TYPE, declared_size=None
        )
        # `Content-Digest` of the request speaks of the whole form (RFC 9530 section 2), of the part, of the file.
        sha256 = declared_sha256(
            [
                ("Repr-Digest", request.headers.get("repr-digest")),
                ("Repr-Digest", part.headers.get("repr-digest")),
                ("Content-Digest", part.headers.get("content-digest")),
            ]
        )
        file = await self._ingest.upload(new_file, form.content(), sha256=sha256, on_behalf_of=identity)
        return self._created(file)

    async def content(self, request: HttpRequest) -> Response[bytes]:
        """The bytes themselves; what else is to be said of them stands in the address."""
        identity = await self._bearer(request)
        _require_plain(request)
        query = decoding.query(request, ContentQuery)
        length = request.headers.get("content-length")
        new_file = query.metadata().new_file(
            filename=query.filename,
            content_type=request.headers.get("content-type") or DEFAULT_CONTENT_TYPE,
            declared_size=None if length is None else int(length),
        )
        sha256 = declared_sha256(
            [(name, request.headers.get(name.lower())) for name in ("Repr-Digest", "Content-Digest")]
        )
        async with self._places.taken():
            file = await self._ingest.upload(new_file, body.pieces(request), sha256=sha256, on_behalf_of=identity)
        return self._created(file)

    def _created(self, file: FileAttributes) -> Response[bytes]:
        return shown(file, status=201, headers={"location": f"{self._base}/files/{file.file_id}"})


def _require_plain(request: HttpRequest) -> None:
    """Only whole bodies as they are: what is stored must be what the client has."""
    if request.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        raise UnsupportedMediaType("The body must not be compressed (no Content-Encoding).")
    if "content-range" in request.headers:  # RFC 9110 section 14.5
        raise ValidationFailed.of("Content-Range", "a part of a document cannot be stored")
