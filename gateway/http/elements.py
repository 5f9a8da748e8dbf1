"""Storage elements, for administrators."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from litestar import Request, Response, delete, get, patch, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from gateway.http import answers, decoding
from gateway.http.bearer import Bearer
from gateway.http.resource import Resource
from gateway.http.schemas.elements import (
    ElementAddress,
    ElementRemoval,
    ElementsQuery,
    ElementUpdate,
    NewElement,
    element_of,
    element_page,
)
from gateway.http.schemas.maintenance import discovered
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
            post("/storage-elements/discover", status_code=200)(self.discover),
            get("/storage-elements/{element_id:str}")(self.show),
            patch("/storage-elements/{element_id:str}")(self.update),
            delete("/storage-elements/{element_id:str}")(self.remove),
        ]

    async def list(self, request: HttpRequest) -> Response[bytes]:
        """A page of elements, by name."""
        identity = await self._bearer(request)
        query = decoding.query(request, ElementsQuery)
        asked = query.page()
        page = await self._elements.list_elements(
            asked, mode=query.mode, status=query.status, policy=query.retention_policy, on_behalf_of=identity
        )
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

    async def discover(self, request: HttpRequest) -> Response[bytes]:
        """What answers at an address, without registering it."""
        identity = await self._bearer(request)
        asked = await decoding.json_body(request, ElementAddress)
        info, element_id = await self._elements.discover_element(parse_endpoint(asked.endpoint), on_behalf_of=identity)
        return answers.json(discovered(info, element_id))

    async def update(self, request: HttpRequest, element_id: FromPath[str]) -> Response[bytes]:
        """Change its name, or its address."""
        identity = await self._bearer(request)
        asked = await decoding.json_body(request, ElementUpdate)
        element = await self._elements.update_element(
            parse_element_id(element_id), name=asked.name, endpoint=asked.endpoint, on_behalf_of=identity
        )
        return answers.json(element_of(element))

    async def remove(self, request: HttpRequest, element_id: FromPath[str]) -> Response[None]:
        """Forget it; 409 while the registry has files of it, unless that is really meant."""
        identity = await self._bearer(request)
        asked = decoding.query(request, ElementRemoval)
        await self._elements.remove_element(parse_element_id(element_id), force=asked.force, on_behalf_of=identity)
        return answers.nothing()
