"""The document says what the application does: no address more, none less, and every reference leads somewhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, cast

import pytest
from litestar import Litestar
from litestar.routes import HTTPRoute

from gateway.http.health import Health
from gateway.http.openapi.document import document
from gateway.http.site import BASE, Services, litestar

UNDOCUMENTED = {"/openapi.json", "/docs", "/docs/{name}"}
"""The document itself and its page."""


@pytest.fixture(scope="module")
def app() -> Litestar:
    nothing = cast("Any", None)  # no request is made
    fields = dict.fromkeys(Services.__slots__, nothing)
    health = Health(dict, nothing)
    return litestar(Services(**fields), health, issuer="https://x", public_url="https://x", max_transfers=1)


@pytest.fixture(scope="module")
def doc() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(document(version="1", base=BASE)))
    return found


def test_the_document_has_exactly_the_addresses_of_the_application(app: Litestar, doc: dict[str, Any]) -> None:
    served = {
        (route.path_format.removeprefix(BASE), method.lower())
        for route in app.routes
        if isinstance(route, HTTPRoute) and route.path_format.startswith(BASE + "/")
        for method in route.methods
        if method != "OPTIONS"
    }
    documented = {(path, method) for path, methods in doc["paths"].items() for method in methods}
    assert {each for each in served if each[0] not in UNDOCUMENTED} == documented


def test_every_reference_leads_somewhere(doc: dict[str, Any]) -> None:
    for reference in references(doc):
        place: Any = doc
        for step in reference.removeprefix("#/").split("/"):
            assert step in place, reference
            place = place[step]


def test_operations_have_names_of_their_own_and_document_what_any_may_meet(doc: dict[str, Any]) -> None:
    operations = [each for methods in doc["paths"].values() for each in methods.values()]
    names = [each["operationId"] for each in operations]
    assert len(set(names)) == len(names)
    for operation in operations:
        assert operation["summary"]
        assert operation["tags"]
        assert "503" in operation["responses"]
        if operation.get("security") != [] and operation["operationId"] != "issueToken":
            assert "401" in operation["responses"]


def test_parameters_of_paths_are_declared(doc: dict[str, Any]) -> None:
    for path, methods in doc["paths"].items():
        for operation in methods.values():
            declared = {each["name"] for each in operation.get("parameters", ()) if each["in"] == "path"}
            assert declared == {part[1:-1] for part in path.split("/") if part.startswith("{")}


def references(value: Any) -> Iterator[str]:
    """Every $ref in a document."""
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for each in value.values():
            yield from references(each)
    elif isinstance(value, list):
        for each in value:
            yield from references(each)
