"""Looking into storage elements and running them, for administrators."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from gateway.http import answers, decoding
from gateway.http.bearer import Bearer
from gateway.http.resource import Resource
from gateway.http.schemas.elements import element_of
from gateway.http.schemas.files import file_page
from gateway.http.schemas.maintenance import ElementFilesQuery, ModeTransition, element_now
from gateway.ports import Maintenance
from services.model.ids import parse_element_id

HttpRequest = Request[Any, Any, Any]


class ElementMaintenance(Resource):
    """`/storage-elements/{element_id}/…`: what the element itself answers."""

    def __init__(self, elements: Maintenance, bearer: Bearer) -> None:
        self._elements = elements
        self._bearer = bearer

    def routes(self) -> Sequence[HTTPRouteHandler]:
        one = "/storage-elements/{element_id:str}"
        return [
            get(f"{one}/info")(self.info),
            get(f"{one}/files")(self.files),
            post(f"{one}/mode/transition")(self.transition),
        ]

    async def info(self, request: HttpRequest, element_id: FromPath[str]) -> Response[bytes]:
        """What the element says of itself now."""
        identity = await self._bearer(request)
        info = await self._elements.element_info(parse_element_id(element_id), on_behalf_of=identity)
        return answers.json(element_now(info))

    async def files(self, request: HttpRequest, element_id: FromPath[str]) -> Response[bytes]:
        """A page of the files that lie on the element, oldest first."""
        identity = await self._bearer(request)
        query = decoding.query(request, ElementFilesQuery)
        asked = query.page()
        page = await self._elements.element_files(
            parse_element_id(element_id), query.status, asked, on_behalf_of=identity
        )
        return answers.json(file_page(page.items, page, asked))

    async def transition(self, request: HttpRequest, element_id: FromPath[str]) -> Response[bytes]:
        """Change the element's mode; 409 where the table of modes does not lead there."""
        identity = await self._bearer(request)
        asked = await decoding.json_body(request, ModeTransition)
        element = await self._elements.transition_mode(
            parse_element_id(element_id), asked.target_mode, confirm=asked.confirm, on_behalf_of=identity
        )
        return answers.json(element_of(element))
