"""What can be asked about operations, and what starts them."""

from __future__ import annotations

from gateway.http.openapi.parts import Json, answer, errors, json_of, operation, path_id, query_of
from gateway.http.schemas.operations import (
    OperationPage,
    OperationShown,
    OperationsQuery,
    ReconcileQuery,
    ScrubQuery,
    SyncQuery,
)

_ELEMENT_ID = path_id("element_id", "The registration's id.")
_OPERATION_ID = path_id("operation_id", "The operation's id.")
_STARTED = {
    "200": answer("It is over; see its state.", json_of(OperationShown), {"Location": "Of the operation."}),
    "202": answer("It goes on.", json_of(OperationShown), {"Location": "Of the operation."}),
}

WORK: Json = {
    "/operations": {
        "get": operation(
            "operations", "listOperations", "Operations, the latest first",
            description="Those that have ended are shown for 30 days.",
            parameters=query_of(OperationsQuery),
            responses={"200": answer("A page.", json_of(OperationPage)), **errors(400, 401, 403)},
        )
    },
    "/operations/{operation_id}": {
        "get": operation(
            "operations", "getOperation", "One operation",
            parameters=[_OPERATION_ID],
            responses={"200": answer("The operation.", json_of(OperationShown)), **errors(400, 401, 403, 404)},
        ),
        "delete": operation(
            "operations", "cancelOperation", "Stop an operation",
            description="What it has done so far stays done. 409 if it has ended in another way.",
            parameters=[_OPERATION_ID],
            responses={**_STARTED, **errors(400, 401, 403, 404, 409)},
        ),
    },
    "/storage-elements/{element_id}/maintenance/reconcile": {
        "post": operation(
            "storage elements", "reconcileElement", "Have an element compare attributes, bytes and index",
            description="What is orphaned, corrupt or duplicate goes to the quarantine; nothing is destroyed. While a "
            "reconciliation of this element runs, the answer is that one. To cancel it stops the waiting only.",
            parameters=[_ELEMENT_ID, *query_of(ReconcileQuery)],
            responses={**_STARTED, **errors(400, 401, 403, 404)},
        )
    },
    "/storage-elements/{element_id}/maintenance/scrub": {
        "post": operation(
            "storage elements", "scrubElement", "Have an element read every byte again",
            description="At no more than its `SE_SCRUB_RATE`. Damaged bytes are set aside, nothing is destroyed. While "
            "a scrub of this element runs, also one that nobody has asked for, it is followed. To cancel it stops the "
            "waiting only. Not in mode `ar`.",
            parameters=[_ELEMENT_ID, *query_of(ScrubQuery)],
            responses={**_STARTED, **errors(400, 401, 403, 404)},
        )
    },
    "/storage-elements/{element_id}/sync": {
        "post": operation(
            "storage elements", "syncElement", "Compare the registry with all that an element holds",
            description="While a sync of this element runs, the answer is that one.",
            parameters=[_ELEMENT_ID, *query_of(SyncQuery)],
            responses={**_STARTED, **errors(400, 401, 403, 404)},
        )
    },
}  # fmt: skip
