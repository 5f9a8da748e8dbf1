"""Storage elements, for administrators."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from gateway.http import answers, decoding
from gateway.http.bearer import Bearer
from gateway.http.resource import Resource
from gateway.http.schemas.elements import ElementsQuery, NewElement, element_of, element_page
from gateway.ports import Elements
from services.model.elements import parse_endpoint
from services.model.ids import parse_element_id

HttpRequest = Request[Any, Any, Any]


class StorageElements(Resource):
    """`/storage-elements`."""

    def __init__(self, elements: Elements, bearer: Bearer, *, base: str) -> None:
        """`base`: what addresses of the API begin with."""
        self._elements = elements
        self._bearer = bearer
        self._base = base

    def routes(self) -> Sequence[HTTPRouteHandler]:
        return [
            get("/storage-elements")(self.list),
            post("/storage-elements")(self.register),
            get("/storage-elements/{element_id:str}")(self.show),
        ]

    async def list(self, request: HttpRequest) -> Response[bytes]:
        """A page of elements, by name."""
        identity = await self._bearer(request)
        query = decoding.query(request, ElementsQuery)
        asked = query.page()
        page = await self._elements.list_elements(asked, mode=query.mode, status=query.status, on_behalf_of=identity)
        return answers.json(element_page(page, asked))

    async def show(self, request: HttpRequest, element_id: FromPath[str]) -> Response[bytes]:
        """One element."""
        identity = await self._bearer(request)
        element = await self._elements.get_element(parse_element_id(element_id), on_behalf_of=identity)
        return answers.json(element_of(element))

    async def register(self, request: HttpRequest) -> Response[bytes]:
        """Register what answers at the address: 201 if it was unknown, 200 if it has only moved."""
        identity = await self._bearer(request)
        asked = await decoding.json_body(request, NewElement)
        endpoint = parse_endpoint(asked.endpoint)
        element, created = await self._elements.register_element(endpoint, asked.name, on_behalf_of=identity)
        headers = {"location": f"{self._base}/storage-elements/{element.element_id}"}
        return answers.json(element_of(element), status=201 if created else 200, headers=headers if created else None)
