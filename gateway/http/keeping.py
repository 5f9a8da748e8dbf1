"""The state of documents on their elements: reading them again, what was set aside, putting it back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from gateway.http import answers, decoding
from gateway.http.bearer import Bearer
from gateway.http.files import shown
from gateway.http.resource import Resource
from gateway.http.schemas.keeping import QuarantineQuery, quarantine_page, verification
from gateway.ports import Keeping
from services.model.ids import QuarantineId, parse_element_id, parse_file_id

HttpRequest = Request[Any, Any, Any]


class DocumentKeeping(Resource):
    """`/files/{id}/verify` and `/storage-elements/{element_id}/quarantine…`."""

    def __init__(self, keeping: Keeping, bearer: Bearer) -> None:
        self._keeping = keeping
        self._bearer = bearer

    def routes(self) -> Sequence[HTTPRouteHandler]:
        quarantine = "/storage-elements/{element_id:str}/quarantine"
        return [
            post("/files/{file_id:str}/verify", status_code=200)(self.verify),
            get(quarantine)(self.list),
            post(f"{quarantine}/{{item_id:str}}/restore", status_code=200)(self.restore),
        ]

    async def verify(self, request: HttpRequest, file_id: FromPath[str]) -> Response[bytes]:
        """Have the document read again; 200 whatever that shows."""
        identity = await self._bearer(request)
        found = await self._keeping.verify_file(parse_file_id(file_id), on_behalf_of=identity)
        return answers.json(verification(found))

    async def list(self, request: HttpRequest, element_id: FromPath[str]) -> Response[bytes]:
        """A page of what the element has set aside, oldest first."""
        identity = await self._bearer(request)
        asked = decoding.query(request, QuarantineQuery).page()
        page = await self._keeping.element_quarantine(parse_element_id(element_id), asked, on_behalf_of=identity)
        return answers.json(quarantine_page(page, asked))

    async def restore(self, request: HttpRequest, element_id: FromPath[str], item_id: FromPath[str]) -> Response[bytes]:
        """Put something back; 409 with the reason if it cannot be."""
        identity = await self._bearer(request)
        known, item = parse_element_id(element_id), QuarantineId(item_id)  # what it is, is Admin's to judge
        return shown(await self._keeping.restore_quarantined(known, item, on_behalf_of=identity))
