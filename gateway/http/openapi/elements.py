"""What can be asked about registered storage elements."""

from __future__ import annotations

from gateway.http.openapi.parts import Json, answer, errors, json_of, operation, path_id, query_of
from gateway.http.schemas.elements import (
    ElementAddress,
    ElementPage,
    ElementRemoval,
    ElementsQuery,
    ElementUpdate,
    NewElement,
    StorageElement,
)
from gateway.http.schemas.maintenance import DiscoveredElement

_ELEMENT_ID = path_id("element_id", "The registration's id.")

ELEMENTS: Json = {
    "/storage-elements": {
        "get": operation(
            "storage elements", "listElements", "Registered elements",
            parameters=query_of(ElementsQuery),
            responses={"200": answer("A page.", json_of(ElementPage)), **errors(400, 401, 403)},
        ),
        "post": operation(
            "storage elements", "registerElement", "Register an element",
            description="The address is asked what it is. An element that is known is moved to the address.",
            requestBody={"required": True, "content": json_of(NewElement)},
            responses={
                "201": answer("Registered.", json_of(StorageElement), {"Location": "Of the element."}),
                "200": answer("It was known; its address is changed.", json_of(StorageElement)),
                **errors(400, 401, 403, 409, 413, 415),
            },
        ),
    },
    "/storage-elements/discover": {
        "post": operation(
            "storage elements", "discoverElement", "Ask an address what it is, without registering it",
            requestBody={"required": True, "content": json_of(ElementAddress)},
            responses={
                "200": answer("What answers there.", json_of(DiscoveredElement)), **errors(400, 401, 403, 413, 415),
            },
        )
    },
    "/storage-elements/{element_id}": {
        "get": operation(
            "storage elements", "getElement", "One element",
            parameters=[_ELEMENT_ID],
            responses={"200": answer("The element.", json_of(StorageElement)), **errors(400, 401, 403, 404)},
        ),
        "patch": operation(
            "storage elements", "updateElement", "Change an element's name or address",
            description="At a new address this very element must answer.",
            parameters=[_ELEMENT_ID],
            requestBody={"required": True, "content": json_of(ElementUpdate)},
            responses={
                "200": answer("The changed element.", json_of(StorageElement)),
                **errors(400, 401, 403, 404, 409, 413, 415),
            },
        ),
        "delete": operation(
            "storage elements", "removeElement", "Forget an element",
            description="Nothing changes on its disk, and registering it again brings its documents back.",
            parameters=[_ELEMENT_ID, *query_of(ElementRemoval)],
            responses={"204": answer("Forgotten."), **errors(400, 401, 403, 404, 409)},
        ),
    },
}  # fmt: skip
