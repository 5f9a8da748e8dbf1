"""Pages of a search, as the use case makes them."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import timedelta

import pytest

from services.model.errors import ValidationFailed
from services.model.files import FileStatus
from services.model.ids import FileId
from services.model.paging import PageRequest
from services.model.search import SearchRequest, SortKey, SortOrder
from services.query.domain import cursor
from services.query.domain.ordering import Ordering, ordering_of
from services.query.usecases.search_files import SearchFiles
from tests.doubles.clock import FakeClock
from tests.doubles.documents import NOON, a_file, an_element
from tests.doubles.query import MemoryRegistry


@pytest.fixture
def registry() -> MemoryRegistry:
    return MemoryRegistry()


@pytest.fixture
def search(registry: MemoryRegistry) -> SearchFiles:
    return SearchFiles(registry=registry, clock=FakeClock(NOON))


async def fill(registry: MemoryRegistry, count: int) -> list[FileId]:
    """Documents whose times of upload come in pairs, so that the id has to decide."""
    files = [a_file(size=n % 3, uploaded_at=NOON - timedelta(hours=n // 2)) for n in range(count)]
    for file in files:
        await registry.add(file, an_element())
    return [file.file_id for file in files]


async def all_pages(search: SearchFiles, request: SearchRequest) -> list[FileId]:
    """Every id, by following the cursors."""
    ids: list[FileId] = []
    following = ""
    while True:
        page = await search(replace(request, page=PageRequest(limit=request.page.limit, cursor=following)))
        ids += [hit.file.file_id for hit in page.items]
        assert page.has_more is bool(page.next_cursor)
        if not page.has_more:
            return ids
        following = page.next_cursor


@pytest.mark.parametrize("sort", SortKey)
@pytest.mark.parametrize("order", [*SortOrder, None])
@pytest.mark.parametrize("query", ["", "договор"])
async def test_pages_by_cursor_hold_every_document_once(
    registry: MemoryRegistry, search: SearchFiles, sort: SortKey, order: SortOrder | None, query: str
) -> None:
    ids = await fill(registry, 11)
    found = await all_pages(search, SearchRequest(query=query, sort=sort, order=order, page=PageRequest(limit=3)))
    assert sorted(found) == sorted(ids)
    assert len(found) == len(ids)


async def test_pages_by_offset_go_on_from_each_other(registry: MemoryRegistry, search: SearchFiles) -> None:
    await fill(registry, 5)
    pages = [await search(SearchRequest(page=PageRequest(limit=2, offset=offset))) for offset in (0, 2, 4)]
    ids = [hit.file.file_id for page in pages for hit in page.items]
    assert len(set(ids)) == 5
    assert [page.has_more for page in pages] == [True, True, False]
    assert [page.total for page in pages] == [5, 5, 5]


async def test_a_page_beyond_the_end_is_empty_and_knows_the_total(
    registry: MemoryRegistry, search: SearchFiles
) -> None:
    await fill(registry, 3)
    page = await search(SearchRequest(page=PageRequest(offset=10)))
    assert (list(page.items), page.total, page.has_more, page.next_cursor) == ([], 3, False, "")


async def test_what_fits_on_one_page_is_not_counted_again(registry: MemoryRegistry, search: SearchFiles) -> None:
    await fill(registry, 3)
    assert (await search(SearchRequest())).total == 3
    assert registry.counted == 0


async def test_later_pages_are_not_counted_again(registry: MemoryRegistry, search: SearchFiles) -> None:
    await fill(registry, 9)
    first = await search(SearchRequest(page=PageRequest(limit=2)))
    second = await search(SearchRequest(page=PageRequest(limit=2, cursor=first.next_cursor)))
    assert (first.total, second.total, registry.counted) == (9, 9, 1)


async def test_a_document_past_its_end_is_shown_as_expired(registry: MemoryRegistry, search: SearchFiles) -> None:
    await registry.add(a_file(expires_at=NOON), an_element())
    (hit,) = (await search(SearchRequest())).items
    assert hit.file.status is FileStatus.EXPIRED
    assert (await search(SearchRequest(status=FileStatus.ACTIVE))).total == 0
    assert (await search(SearchRequest(status=FileStatus.EXPIRED))).total == 1


async def test_deleted_documents_are_found_only_when_asked_for(registry: MemoryRegistry, search: SearchFiles) -> None:
    await registry.add(a_file(status=FileStatus.DELETED), an_element())
    assert (await search(SearchRequest())).total == 0
    assert (await search(SearchRequest(status=FileStatus.DELETED))).total == 1


async def test_a_cursor_belongs_to_its_search(registry: MemoryRegistry, search: SearchFiles) -> None:
    await fill(registry, 4)
    given = (await search(SearchRequest(page=PageRequest(limit=2)))).next_cursor
    page = PageRequest(limit=3, cursor=given)
    assert (await search(SearchRequest(page=page))).items, "another limit is no other search"
    for other in (
        SearchRequest(query="x", page=page),
        SearchRequest(tags=("x",), page=page),
        SearchRequest(metadata={"a": 1}, page=page),
        SearchRequest(order=SortOrder.ASC, page=page),
        SearchRequest(sort=SortKey.SIZE, page=page),
    ):
        with pytest.raises(ValidationFailed, match="another search"):
            await search(other)


OURS = cursor._fingerprint(SearchRequest(), Ordering(SortKey.UPLOADED_AT, descending=True))


def forged(*fields: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(fields).encode()).decode().rstrip("=")


ID = "0198c0de-0000-7000-8000-000000000000"


@pytest.mark.parametrize(
    "text",
    [
        "x", "Ж", "=", "AAAA", "a b", forged(), forged(1, 2, 3), forged(OURS, NOON.isoformat(), ID),
        forged(OURS, NOON.isoformat(), ID, -1), forged(OURS, NOON.isoformat(), ID, True),
        forged(OURS, NOON.isoformat(), "no id", 1), forged(OURS, "yesterday", ID, 1), forged(OURS, 7, ID, 1),
        forged(OURS, "2026-11-21T12:00:00", ID, 1), forged(OURS, None, ID, 1), "W" * 100_000,
    ],
)  # fmt: skip
async def test_a_cursor_that_no_search_gave_out_is_refused(search: SearchFiles, text: str) -> None:
    with pytest.raises(ValidationFailed, match="gave out") as refused:
        await search(SearchRequest(page=PageRequest(cursor=text)))
    assert refused.value.details[0].field == "cursor"


@pytest.mark.parametrize(
    ("sort", "value"),
    [(SortKey.SIZE, -1), (SortKey.SIZE, 2**63), (SortKey.SIZE, "5"), (SortKey.SIZE, True), (SortKey.FILENAME, "a\0"),
     (SortKey.FILENAME, "\ud800"), (SortKey.FILENAME, 5), (SortKey.RELEVANCE, "1"), (SortKey.RELEVANCE, float("inf"))],
)  # fmt: skip
async def test_a_cursor_whose_value_cannot_be_compared_is_refused(
    search: SearchFiles, sort: SortKey, value: object
) -> None:
    request = SearchRequest(query="q", sort=sort)
    fingerprint = cursor._fingerprint(request, ordering_of(request))
    with pytest.raises(ValidationFailed, match="gave out"):
        await search(replace(request, page=PageRequest(cursor=forged(fingerprint, value, ID, 1))))


@pytest.mark.parametrize(
    ("request_", "ordering"),
    [
        (SearchRequest(), Ordering(SortKey.UPLOADED_AT, descending=True)),
        (SearchRequest(query="x"), Ordering(SortKey.RELEVANCE, descending=True)),
        (SearchRequest(sort=SortKey.RELEVANCE), Ordering(SortKey.UPLOADED_AT, descending=True)),
        (SearchRequest(sort=SortKey.FILENAME), Ordering(SortKey.FILENAME, descending=False)),
        (SearchRequest(sort=SortKey.SIZE), Ordering(SortKey.SIZE, descending=True)),
        (SearchRequest(order=SortOrder.ASC), Ordering(SortKey.UPLOADED_AT, descending=False)),
    ],
)
def test_the_usual_order(request_: SearchRequest, ordering: Ordering) -> None:
    assert ordering_of(request_) == ordering


async def test_a_request_out_of_its_limits_is_refused(search: SearchFiles) -> None:
    with pytest.raises(ValidationFailed):
        await search(SearchRequest(page=PageRequest(limit=0)))
    with pytest.raises(ValidationFailed):
        await search(SearchRequest(query="\0"))
