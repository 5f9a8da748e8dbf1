"""Documents: list, metadata, change, delete."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from litestar import Request, Response, delete, get, patch
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from gateway.http import answers, decoding
from gateway.http.bearer import Bearer
from gateway.http.conditions import Outcome, etag_of_revision, evaluate_tags, expected_revision
from gateway.http.resource import Resource
from gateway.http.schemas.files import FileUpdate, file_of, file_page
from gateway.http.schemas.search import FilesQuery
from gateway.ports import Documents, Ingest
from services.model.errors import PreconditionFailed
from services.model.files import FileAttributes
from services.model.ids import parse_file_id

HttpRequest = Request[Any, Any, Any]


class Files(Resource):
    """`/files` and `/files/{id}`."""

    def __init__(self, documents: Documents, ingest: Ingest, bearer: Bearer) -> None:
        self._documents = documents
        self._ingest = ingest
        self._bearer = bearer

    def routes(self) -> Sequence[HTTPRouteHandler]:
        one = "/files/{file_id:str}"
        return [get("/files")(self.list), get(one)(self.show), patch(one)(self.change), delete(one)(self.remove)]

    async def list(self, request: HttpRequest) -> Response[bytes]:
        """A page of the registry."""
        identity = await self._bearer(request)
        asked = decoding.query(request, FilesQuery).request()
        page = await self._documents.search(asked, on_behalf_of=identity)
        return answers.json(file_page([hit.file for hit in page.items], page, asked.page))

    async def show(self, request: HttpRequest, file_id: FromPath[str]) -> Response[Any]:
        """One document's metadata."""
        identity = await self._bearer(request)
        file = await self._documents.file(parse_file_id(file_id), on_behalf_of=identity)
        tag = etag_of_revision(file.revision)
        match evaluate_tags(request.headers, etag=tag):
            case Outcome.FAILED:
                raise PreconditionFailed("The document has another revision than If-Match asks for.")
            case Outcome.NOT_MODIFIED:
                return Response(None, status_code=304, headers={"etag": tag, "cache-control": "no-store"})
            case Outcome.PROCEED:
                return shown(file)

    async def change(self, request: HttpRequest, file_id: FromPath[str]) -> Response[bytes]:
        """Change description, tags or metadata; `If-Match` guards against somebody else's change in between."""
        identity = await self._bearer(request)
        known, revision = parse_file_id(file_id), expected_revision(request.headers.get("if-match"))
        change = (await decoding.json_body(request, FileUpdate)).change()
        return shown(await self._ingest.update_file(known, change, revision, on_behalf_of=identity))

    async def remove(self, request: HttpRequest, file_id: FromPath[str]) -> Response[None]:
        """Mark a document deleted; the same the second time."""
        identity = await self._bearer(request)
        known, revision = parse_file_id(file_id), expected_revision(request.headers.get("if-match"))
        await self._ingest.delete_file(known, revision, on_behalf_of=identity)
        return answers.nothing()


def shown(file: FileAttributes, *, status: int = 200, headers: dict[str, str] | None = None) -> Response[bytes]:
    """A document's metadata, with its revision as the entity tag."""
    tag = {"etag": etag_of_revision(file.revision)}
    return answers.json(file_of(file), status=status, headers={**tag, **(headers or {})})
