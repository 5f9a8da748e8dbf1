"""Search."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from litestar import Request, Response, post
from litestar.handlers import HTTPRouteHandler

from gateway.http import answers, decoding
from gateway.http.bearer import Bearer
from gateway.http.resource import Resource
from gateway.http.schemas.search import SearchBody, search_answer
from gateway.ports import Documents


class Search(Resource):
    """`/search`."""

    def __init__(self, documents: Documents, bearer: Bearer) -> None:
        self._documents = documents
        self._bearer = bearer

    def routes(self) -> Sequence[HTTPRouteHandler]:
        return [post("/search", status_code=200)(self.search)]

    async def search(self, request: Request[Any, Any, Any]) -> Response[bytes]:
        """Documents that match, best first."""
        identity = await self._bearer(request)
        asked = (await decoding.json_body(request, SearchBody)).request()
        page = await self._documents.search(asked, on_behalf_of=identity)
        return answers.json(search_answer(page, asked))
