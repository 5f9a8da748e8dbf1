"""Metadata, changes, searches and elements: what goes in and what comes out."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from services.model.elements import ElementStatus, Mode
from services.model.errors import ModeNotAllowed, PreconditionFailed
from services.model.files import FileStatus, RetentionPolicy
from services.model.search import SearchMode, SortKey, SortOrder, TagsMatch
from tests.doubles.behind_the_edge import Behind, new_id
from tests.service.gateway.edge import Edge, error_of, fields_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

SHOWN = {
    "file_id", "original_filename", "content_type", "size", "sha256", "uploaded_by", "uploaded_at", "updated_at",
    "description", "tags", "metadata", "status", "retention_policy", "ttl_days", "expires_at", "revision",
}  # fmt: skip


async def test_metadata_has_the_promised_shape_and_nothing_internal(edge: Edge, behind: Behind) -> None:
    ends = datetime(2026, 12, 21, tzinfo=UTC)
    file = behind.add(
        b"%PDF", original_filename="Договор №7.pdf", tags=("договор",), metadata={"n": 12345678901234567890123},
        retention_policy=RetentionPolicy.TEMPORARY, ttl=timedelta(days=30), expires_at=ends, revision=3, epoch=9,
    )  # fmt: skip
    answer = await edge.call("GET", f"/api/v1/files/{file.file_id}")
    found = answer.json()
    assert set(found) == SHOWN
    assert found["original_filename"] == "Договор №7.pdf"
    assert found["metadata"] == {"n": 12345678901234567890123}
    assert (found["ttl_days"], found["expires_at"]) == (30, "2026-12-21T00:00:00Z")
    assert found["uploaded_at"] == "2026-11-21T01:30:00.123000Z"
    assert (found["status"], found["retention_policy"]) == ("active", "temporary")
    assert answer.headers["etag"] == '"3"'


async def test_metadata_that_the_client_has_already_are_304(edge: Edge, behind: Behind) -> None:
    file = behind.add(b"x")
    path = f"/api/v1/files/{file.file_id}"
    tag = (await edge.call("GET", path)).headers["etag"]
    answer = await edge.call("GET", path, headers={"If-None-Match": f"W/{tag}"})
    assert (answer.status_code, answer.content) == (304, b"")
    behind.files[file.file_id] = replace(file, revision=2)
    assert (await edge.call("GET", path, headers={"If-None-Match": tag})).status_code == 200
    expected = await edge.call("GET", path, headers={"If-Match": tag})
    assert (expected.status_code, expected.json()["error"]["code"]) == (412, "PRECONDITION_FAILED")


async def test_head_says_what_get_would_without_the_body(edge: Edge, behind: Behind) -> None:
    for path in (
        f"/api/v1/files/{behind.add(b'x').file_id}",
        "/api/v1/files",
        "/health/live",
        f"/api/v1/files/{new_id()}",
    ):
        whole, head = await edge.call("GET", path), await edge.call("HEAD", path)
        assert (head.status_code, head.content) == (whole.status_code, b"")
        assert head.headers["content-length"] == whole.headers["content-length"] != "0"
        assert head.headers.get("etag") == whole.headers.get("etag")


async def test_an_unknown_file_is_404(edge: Edge) -> None:
    for method in ("GET", "DELETE"):
        answer = await edge.call(method, f"/api/v1/files/{new_id()}")
        assert (answer.status_code, error_of(answer)["code"]) == (404, "NOT_FOUND")


@pytest.mark.parametrize("tag", ['"3"', 'W/"3"', "3"])
async def test_a_change_carries_the_expected_revision(edge: Edge, behind: Behind, tag: str) -> None:
    file = behind.add(b"x", description="old", tags=("a",))
    answer = await edge.call(
        "PATCH", f"/api/v1/files/{file.file_id}", json={"tags": ["b", "b"]}, headers={"If-Match": tag}
    )
    assert (answer.status_code, answer.headers["etag"]) == (200, '"4"')  # the double counts on from what is expected
    assert (answer.json()["tags"], answer.json()["description"]) == (["b"], "old")


async def test_a_change_of_another_revision_is_412(edge: Edge, behind: Behind) -> None:
    file = behind.add(b"x")
    path = f"/api/v1/files/{file.file_id}"
    behind.failures["UpdateFile"] = PreconditionFailed("It has revision 4.")
    assert error_of(await edge.call("PATCH", path, json={"tags": []}))["code"] == "PRECONDITION_FAILED"
    behind.failures.clear()
    for tag in ('"abc"', '"0"', "-1"):
        answer = await edge.call("PATCH", path, json={"tags": []}, headers={"If-Match": tag})
        assert (answer.status_code, error_of(answer)["code"]) == (412, "PRECONDITION_FAILED")
    assert behind.files[file.file_id].revision == 1


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, None),
        ({"tags": None}, None),
        ({"original_filename": "x"}, "original_filename"),
        ({"tags": "a"}, "tags"),
        ({"tags": [""]}, "tags"),
        ({"description": "a\0"}, "description"),
        ({"metadata": []}, "metadata"),
        ({"metadata": {"a": "\0"}}, "metadata"),
    ],
)
async def test_a_change_that_is_wrong_is_400(edge: Edge, behind: Behind, body: object, field: str | None) -> None:
    file = behind.add(b"x")
    answer = await edge.call("PATCH", f"/api/v1/files/{file.file_id}", json=body)
    assert fields_of(answer) == ([] if field is None else [field])
    assert "UpdateFile" not in behind.calls


async def test_delete_is_204_twice(edge: Edge, behind: Behind) -> None:
    file = behind.add(b"x")
    for _ in range(2):
        answer = await edge.call("DELETE", f"/api/v1/files/{file.file_id}")
        assert (answer.status_code, answer.content) == (204, b"")
    assert (await edge.call("GET", f"/api/v1/files/{file.file_id}")).json()["status"] == "deleted"


async def test_a_delete_that_the_mode_forbids_is_409(edge: Edge, behind: Behind) -> None:
    file = behind.add(b"x")
    behind.failures["DeleteFile"] = ModeNotAllowed("The element is in mode rw.")
    answer = await edge.call("DELETE", f"/api/v1/files/{file.file_id}")
    assert (answer.status_code, error_of(answer)["code"]) == (409, "MODE_NOT_ALLOWED")


async def test_a_listing_passes_every_filter_on(edge: Edge, behind: Behind) -> None:
    behind.add(b"x")
    answer = await edge.call(
        "GET",
        "/api/v1/files",
        params={
            "filename": "дог", "extension": "pdf", "content_type": "application/pdf", "tags": ["a", "b"],
            "tags_match": "any", "uploaded_by": "sa_x", "size_min": 1, "size_max": 9,
            "uploaded_after": "2026-01-01T00:00:00+03:00", "uploaded_before": "2027-01-01T00:00:00Z",
            "expires_before": "2028-01-01T00:00:00Z", "status": "active", "retention_policy": "permanent",
            "sort": "size", "order": "asc", "limit": 10, "offset": 20,
        },
    )  # fmt: skip
    assert answer.status_code == 200
    (asked,) = behind.searches
    assert (asked.filename, asked.extension, asked.content_type) == ("дог", "pdf", "application/pdf")
    assert (asked.tags, asked.tags_match, asked.uploaded_by) == (("a", "b"), TagsMatch.ANY, "sa_x")
    assert (asked.size_min, asked.size_max) == (1, 9)
    assert asked.uploaded_after == datetime(2025, 12, 31, 21, tzinfo=UTC)
    assert (asked.status, asked.retention_policy) == (FileStatus.ACTIVE, RetentionPolicy.PERMANENT)
    assert (asked.sort, asked.order) == (SortKey.SIZE, SortOrder.ASC)
    assert (asked.page.limit, asked.page.offset) == (10, 20)
    page = answer.json()
    assert set(page) == {"items", "total", "limit", "offset", "has_more", "next_cursor"}
    assert (page["total"], page["limit"], page["offset"], page["has_more"], page["next_cursor"]) == (
        1,
        10,
        20,
        True,
        "next",
    )
    assert set(page["items"][0]) == SHOWN


async def test_a_search_passes_the_query_on_and_shows_scores(edge: Edge, behind: Behind) -> None:
    behind.add(b"x")
    body = {"query": "contr", "mode": "exact", "metadata": {"a": {"b": [1]}}, "cursor": "c", "limit": 5}
    found = (await edge.call("POST", "/api/v1/search", json=body)).json()
    (asked,) = behind.searches
    assert (asked.query, asked.mode, asked.metadata) == ("contr", SearchMode.EXACT, {"a": {"b": [1]}})
    assert (asked.page.cursor, asked.page.limit) == ("c", 5)
    assert found["items"][0]["score"] == 0.5


async def test_a_search_without_a_query_is_a_filter_and_scores_nothing(edge: Edge, behind: Behind) -> None:
    behind.add(b"x")
    found = (await edge.call("POST", "/api/v1/search", json={"tags": ["a"]})).json()
    assert set(found["items"][0]) == SHOWN
    assert behind.searches[0].mode is SearchMode.PARTIAL


async def test_elements_are_listed_by_mode(edge: Edge, behind: Behind) -> None:
    element = behind.add_element(mode=Mode.RW, status=ElementStatus.DEGRADED, status_reason="read-only disk")
    behind.add_element(mode=Mode.EDIT)
    page = (await edge.call("GET", "/api/v1/storage-elements", params={"mode": "rw"})).json()
    assert [item["id"] for item in page["items"]] == [element.element_id]
    item = page["items"][0]
    assert (item["mode"], item["status"], item["status_reason"]) == ("rw", "degraded", "read-only disk")
    assert (item["endpoint"], item["storage_id"], item["capacity_bytes"]) == ("127.0.0.1:8010", "se-rw-01", 1 << 40)
    one = await edge.call("GET", f"/api/v1/storage-elements/{element.element_id}")
    assert one.json() == item
    assert fields_of(await edge.call("GET", "/api/v1/storage-elements?mode=xx")) == ["mode"]


async def test_an_element_is_registered_once_and_moved_afterwards(edge: Edge) -> None:
    body = {"endpoint": "127.0.0.1:9999", "name": "New"}
    first = await edge.call("POST", "/api/v1/storage-elements", json=body)
    assert first.status_code == 201
    assert first.headers["location"] == f"/api/v1/storage-elements/{first.json()['id']}"
    assert (await edge.call("POST", "/api/v1/storage-elements", json=body)).status_code == 200


@pytest.mark.parametrize(
    ("body", "field"),
    [({}, "endpoint"), ({"endpoint": "nowhere"}, "endpoint"), ({"endpoint": "h:1", "mode": "rw"}, "mode")],
)
async def test_an_element_without_an_address_is_400(edge: Edge, body: object, field: str) -> None:
    assert fields_of(await edge.call("POST", "/api/v1/storage-elements", json=body)) == [field]


async def test_elements_need_the_scope_for_them(edge: Edge) -> None:
    answer = await edge.call("GET", "/api/v1/storage-elements", token=edge.token(scope="files:read files:write"))
    assert (answer.status_code, error_of(answer)["code"]) == (403, "FORBIDDEN")


async def test_an_address_is_asked_what_it_is(edge: Edge, behind: Behind) -> None:
    known = behind.add_element()
    path = "/api/v1/storage-elements/discover"
    answer = await edge.call("POST", path, json={"endpoint": known.endpoint}, token=edge.token(scope="storage:read"))
    assert answer.status_code == 200
    assert (answer.json()["storage_id"], answer.json()["mode"]) == ("se-rw-01", "rw")
    assert answer.json()["element_id"] == known.element_id
    assert (await edge.call("POST", path, json={"endpoint": "elsewhere:1"})).json()["element_id"] is None
    assert fields_of(await edge.call("POST", path, json={"endpoint": "nowhere"})) == ["endpoint"]


async def test_an_element_is_renamed_and_moved(edge: Edge, behind: Behind) -> None:
    path = f"/api/v1/storage-elements/{behind.add_element(name='old').element_id}"
    renamed = await edge.call("PATCH", path, json={"name": "Archive"})
    assert (renamed.status_code, renamed.json()["name"]) == (200, "Archive")
    moved = (await edge.call("PATCH", path, json={"endpoint": "new:1"})).json()
    assert (moved["name"], moved["endpoint"]) == ("Archive", "new:1")
    assert fields_of(await edge.call("PATCH", path, json={"mode": "ro"})) == ["mode"]


async def test_an_element_with_files_is_removed_only_by_force(edge: Edge, behind: Behind) -> None:
    element = behind.add_element()
    path = f"/api/v1/storage-elements/{element.element_id}"
    refused = await edge.call("DELETE", path)
    assert (refused.status_code, error_of(refused)["code"]) == (409, "CONFLICT")
    assert fields_of(await edge.call("DELETE", path, params={"force": "perhaps"})) == ["force"]
    assert (await edge.call("DELETE", path, params={"force": "true"})).status_code == 204
    assert element.element_id not in behind.elements
