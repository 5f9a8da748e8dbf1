"""The state of documents on their elements."""

from __future__ import annotations

from gateway.http.openapi.parts import Json, answer, errors, json_of, operation, path_id, query_of
from gateway.http.schemas.files import File
from gateway.http.schemas.keeping import QuarantinePage, QuarantineQuery, Verification

_ELEMENT_ID = path_id("element_id", "The registration's id.")
_QUARANTINE = "/storage-elements/{element_id}/quarantine"
_ITEM_ID: Json = {
    "name": "item_id",
    "in": "path",
    "required": True,
    "description": "From the listing.",
    "schema": {"type": "string"},
}

KEEPING: Json = {
    "/files/{file_id}/verify": {
        "post": operation(
            "files", "verifyFile", "Have a document read again by its element",
            description=(
                "Its bytes are read from the disk and compared with its digest. Damage is believed after a second "
                "read; then the document becomes `damaged` and its bytes are set aside."
            ),
            parameters=[path_id("file_id", "The document's id.")],
            responses={
                "200": answer("What that has shown.", json_of(Verification)),
                **errors(400, 401, 403, 404, 409, 410),
            },
        )
    },
    _QUARANTINE: {
        "get": operation(
            "storage elements", "listQuarantine", "What an element has set aside, oldest first",
            parameters=[_ELEMENT_ID, *query_of(QuarantineQuery)],
            responses={"200": answer("A page.", json_of(QuarantinePage)), **errors(400, 401, 403, 404)},
        )
    },
    f"{_QUARANTINE}/{{item_id}}/restore": {
        "post": operation(
            "storage elements", "restoreQuarantined", "Put something back that was set aside",
            description="Its bytes are read again first, and must be those that its attributes name.",
            parameters=[_ELEMENT_ID, _ITEM_ID],
            responses={
                "200": answer("The document that is there again.", json_of(File), {"ETag": "The revision."}),
                **errors(400, 401, 403, 404, 409, 410, 507),
            },
        )
    },
}  # fmt: skip
