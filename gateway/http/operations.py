"""Work that takes longer than an answer: started, looked at, stopped."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from litestar import Request, Response, delete, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from gateway.http import answers, decoding
from gateway.http.bearer import Bearer
from gateway.http.resource import Resource
from gateway.http.schemas.operations import (
    OperationsQuery,
    ReconcileQuery,
    ScrubQuery,
    SyncQuery,
    operation_of,
    operation_page,
)
from gateway.ports import Operations
from services.model.ids import parse_element_id, parse_uuid
from services.model.operations import Operation, OperationId

HttpRequest = Request[Any, Any, Any]


class OperationRoutes(Resource):
    """`/operations`, and what starts them."""

    def __init__(self, operations: Operations, bearer: Bearer, *, base: str) -> None:
        """`base`: what addresses of the API begin with."""
        self._operations = operations
        self._bearer = bearer
        self._base = base

    def routes(self) -> Sequence[HTTPRouteHandler]:
        return [
            get("/operations")(self.list),
            get("/operations/{operation_id:str}")(self.show),
            delete("/operations/{operation_id:str}", status_code=202)(self.cancel),
            post("/storage-elements/{element_id:str}/sync")(self.sync),
            post("/storage-elements/{element_id:str}/maintenance/reconcile")(self.reconcile),
            post("/storage-elements/{element_id:str}/maintenance/scrub")(self.scrub),
        ]

    async def list(self, request: HttpRequest) -> Response[bytes]:
        """A page of operations, the latest first."""
        identity = await self._bearer(request)
        query = decoding.query(request, OperationsQuery)
        asked = query.page()
        page = await self._operations.list_operations(query.wanted(), asked, on_behalf_of=identity)
        return answers.json(operation_page(page, asked))

    async def show(self, request: HttpRequest, operation_id: FromPath[str]) -> Response[bytes]:
        """One operation."""
        identity = await self._bearer(request)
        operation = await self._operations.get_operation(_operation_id(operation_id), on_behalf_of=identity)
        return answers.json(operation_of(operation))

    async def cancel(self, request: HttpRequest, operation_id: FromPath[str]) -> Response[bytes]:
        """Stop it: 200 once it is, 202 if that takes a while."""
        identity = await self._bearer(request)
        operation = await self._operations.cancel_operation(_operation_id(operation_id), on_behalf_of=identity)
        return self._told(operation)

    async def sync(self, request: HttpRequest, element_id: FromPath[str]) -> Response[bytes]:
        """Start a full sync, or find the one that runs."""
        identity = await self._bearer(request)
        asked = decoding.query(request, SyncQuery)
        operation, _ = await self._operations.sync_element(
            parse_element_id(element_id), force=asked.force, wait=asked.patience, on_behalf_of=identity
        )
        return self._told(operation)

    async def reconcile(self, request: HttpRequest, element_id: FromPath[str]) -> Response[bytes]:
        """Have an element reconcile itself, or find the reconciliation that runs."""
        identity = await self._bearer(request)
        asked = decoding.query(request, ReconcileQuery)
        operation, _ = await self._operations.reconcile_element(
            parse_element_id(element_id), quick=asked.quick, wait=asked.patience, on_behalf_of=identity
        )
        return self._told(operation)

    async def scrub(self, request: HttpRequest, element_id: FromPath[str]) -> Response[bytes]:
        """Have an element read every byte again, or find the scrub that runs."""
        identity = await self._bearer(request)
        asked = decoding.query(request, ScrubQuery)
        operation, _ = await self._operations.scrub_element(
            parse_element_id(element_id), wait=asked.patience, on_behalf_of=identity
        )
        return self._told(operation)

    def _told(self, operation: Operation) -> Response[bytes]:
        """200 with one that is over, else 202 and where to look."""
        headers = {"location": f"{self._base}/operations/{operation.id}"}
        return answers.json(operation_of(operation), status=200 if operation.ended else 202, headers=headers)


def _operation_id(text: str) -> OperationId:
    return OperationId(parse_uuid(text, field="operation_id"))
