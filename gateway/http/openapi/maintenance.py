"""What administrators ask of storage elements."""

from __future__ import annotations

from gateway.http.openapi.parts import Json, answer, errors, json_of, operation, path_id, query_of
from gateway.http.schemas.elements import StorageElement
from gateway.http.schemas.files import FilePage
from gateway.http.schemas.maintenance import ElementFilesQuery, ElementNow, ModeTransition

_ELEMENT_ID = path_id("element_id", "The registration's id.")
_ONE = "/storage-elements/{element_id}"

MAINTENANCE: Json = {
    f"{_ONE}/info": {
        "get": operation(
            "storage elements", "getElementInfo", "What an element says of itself now",
            parameters=[_ELEMENT_ID],
            responses={"200": answer("The element, live.", json_of(ElementNow)), **errors(400, 401, 403, 404)},
        )
    },
    f"{_ONE}/files": {
        "get": operation(
            "storage elements", "listElementFiles", "The files that lie on an element, oldest first",
            parameters=[_ELEMENT_ID, *query_of(ElementFilesQuery)],
            responses={"200": answer("A page.", json_of(FilePage)), **errors(400, 401, 403, 404)},
        )
    },
    f"{_ONE}/mode/transition": {
        "post": operation(
            "storage elements", "transitionMode", "Change an element's mode",
            description="rw→ro, ro→ar, and ro→rw with `confirm`. After the answer nothing commits under the old mode.",
            parameters=[_ELEMENT_ID],
            requestBody={"required": True, "content": json_of(ModeTransition)},
            responses={
                "200": answer("The element with its new mode.", json_of(StorageElement)),
                **errors(400, 401, 403, 404, 409, 413, 415, 507),
            },
        )
    },
}  # fmt: skip
