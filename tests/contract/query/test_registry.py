"""What every registry promises Query."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from services.model.elements import ElementAddress
from services.model.errors import ValidationFailed
from services.model.files import FileAttributes, FileStatus, RetentionPolicy
from services.model.ids import FileId, StorageId, Subject
from services.model.paging import PageRequest
from services.model.search import SearchMode, SearchRequest, SortKey, SortOrder, TagsMatch
from services.query.domain.ordering import Ordering, ordering_of
from services.query.ports import Match, Record, Registry
from tests.contract.query.conftest import PostgresSide, Shelf
from tests.doubles.documents import NOON, a_file, new_id
from tests.support.admin_things import record

ELEMENT = ElementAddress(record("se-rw-01").element_id, StorageId("se-rw-01"), "10.0.0.1:8010")
HOUR = timedelta(hours=1)

CONTRACT = a_file(
    original_filename="Договор №7 (Ёлка).PDF",
    description="signed in Ufa",
    tags=("договор", "2026"),
    metadata={"counterparty": "ООО «Ромашка»", "pages": 7, "deep": {"a": [1, None]}},
    size=1000,
    uploaded_at=NOON - 3 * HOUR,
    revision=3,
    epoch=2,
)
DRAFT = a_file(
    original_filename="draft_100%.txt",
    content_type="text/plain; charset=utf-8",
    description="a договор to be",
    tags=("2026",),
    size=10,
    uploaded_at=NOON - 2 * HOUR,
    uploaded_by=Subject("keycloak:anna"),
    retention_policy=RetentionPolicy.TEMPORARY,
    ttl=timedelta(days=30),
    expires_at=NOON + HOUR,
)
PAST = a_file(
    original_filename="past",
    size=10,
    uploaded_at=NOON - HOUR,
    retention_policy=RetentionPolicy.TEMPORARY,
    ttl=timedelta(days=1),
    expires_at=NOON,
)
DELETED = a_file(
    original_filename="draft_1000.txt",
    size=7,
    uploaded_at=NOON,
    status=FileStatus.DELETED,
    deleted_at=NOON,
    deleted_by=Subject("root"),
)
ALL = (CONTRACT, DRAFT, PAST, DELETED)


@pytest.fixture(autouse=True)
async def filled(shelf: Shelf) -> None:
    for file in ALL:
        await shelf.add(file, ELEMENT)


async def find(registry: Registry, now: datetime = NOON, **conditions: Any) -> list[FileAttributes]:
    """What a search finds; the count must agree."""
    request = SearchRequest(**conditions)
    found = await registry.find(request, ordering_of(request), None, limit=100, now=now)
    assert await registry.count(request, now=now) == len(found)
    return [match.file for match in found]


@pytest.mark.parametrize("file", ALL, ids=lambda f: f.original_filename)
async def test_a_record_has_every_attribute_and_the_address(registry: Registry, file: FileAttributes) -> None:
    assert await registry.record(file.file_id) == Record(file, ELEMENT)


async def test_an_unknown_document_has_no_record(registry: Registry) -> None:
    assert await registry.record(new_id()) is None


async def test_without_conditions_all_but_the_deleted_are_found_newest_first(registry: Registry) -> None:
    assert await find(registry) == [PAST, DRAFT, CONTRACT]


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ({"query": "ДОГОВОР"}, [DRAFT, CONTRACT]),
        ({"query": "ёлка)"}, [CONTRACT]),
        ({"query": "in ufa"}, [CONTRACT]),
        ({"query": ".PDF signed"}, []),
        ({"query": "100%"}, [DRAFT]),
        ({"query": "t_1"}, [DRAFT]),
        ({"query": "0%_"}, []),
        ({"query": "\\"}, []),
        ({"query": "a'; DROP TABLE files --"}, []),
        ({"query": "p"}, [PAST, CONTRACT]),
        ({"query": "договор №7 (ёлка).pdf", "mode": SearchMode.EXACT}, [CONTRACT]),
        ({"query": "договор", "mode": SearchMode.EXACT}, []),
        ({"query": "PAST", "mode": SearchMode.EXACT}, [PAST]),
        ({"query": "past", "mode": SearchMode.FULLTEXT}, [PAST]),
        ({"query": "договор ёлка", "mode": SearchMode.FULLTEXT}, [CONTRACT]),
        ({"filename": "ДОГ"}, [CONTRACT]),
        ({"filename": "_"}, [DRAFT]),
        ({"query": "договор", "filename": "draft"}, [DRAFT]),
        ({"extension": "pdf"}, [CONTRACT]),
        ({"extension": ".TXT"}, [DRAFT]),
        ({"extension": "pd"}, []),
        ({"content_type": "TEXT/plain"}, [DRAFT]),
        ({"content_type": "text/plain; charset=utf-8"}, [DRAFT]),
        ({"content_type": "text/plain; charset=ascii"}, []),
        ({"content_type": "text"}, []),
        ({"tags": ("2026",)}, [DRAFT, CONTRACT]),
        ({"tags": ("2026", "договор")}, [CONTRACT]),
        ({"tags": ("nowhere", "договор"), "tags_match": TagsMatch.ANY}, [CONTRACT]),
        ({"tags": ("Договор",)}, []),
        ({"uploaded_by": "keycloak:anna"}, [DRAFT]),
        ({"size_min": 10}, [PAST, DRAFT, CONTRACT]),
        ({"size_min": 11}, [CONTRACT]),
        ({"size_max": 10}, [PAST, DRAFT]),
        ({"size_max": 2**63 - 1, "size_min": -(2**63)}, [PAST, DRAFT, CONTRACT]),
        ({"uploaded_after": NOON - 2 * HOUR}, [PAST, DRAFT]),
        ({"uploaded_before": NOON - 2 * HOUR}, [CONTRACT]),
        ({"expires_before": NOON + HOUR}, [PAST]),
        ({"expires_before": NOON + 2 * HOUR}, [PAST, DRAFT]),
        ({"retention_policy": RetentionPolicy.PERMANENT}, [CONTRACT]),
        ({"metadata": {"pages": 7}}, [CONTRACT]),
        ({"metadata": {"pages": 8}}, []),
        ({"metadata": {"deep": {"a": [1, None]}}}, [CONTRACT]),
        ({"metadata": {"counterparty": "ООО «Ромашка»"}}, [CONTRACT]),
        ({"status": FileStatus.ACTIVE}, [DRAFT, CONTRACT]),
        ({"status": FileStatus.EXPIRED}, [PAST]),
        ({"status": FileStatus.DELETED}, [DELETED]),
        ({"status": FileStatus.MISSING}, []),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
async def test_conditions(registry: Registry, conditions: dict[str, Any], expected: list[FileAttributes]) -> None:
    found = await find(registry, **conditions, sort=SortKey.UPLOADED_AT)
    assert [f.original_filename for f in found] == [f.original_filename for f in expected]


async def test_a_document_expires_by_the_clock(registry: Registry) -> None:
    later = NOON + HOUR
    assert DRAFT in await find(registry, later - timedelta(microseconds=1), status=FileStatus.ACTIVE)
    assert DRAFT in await find(registry, later, status=FileStatus.EXPIRED)


ORDERINGS = [Ordering(key, descending=descending) for key in SortKey for descending in (True, False)]


@pytest.mark.parametrize("ordering", ORDERINGS, ids=str)
@pytest.mark.parametrize("query", ["", "договор", "d"])
async def test_going_on_from_any_place_gives_the_rest(registry: Registry, ordering: Ordering, query: str) -> None:
    async def rows(after: Match | None, limit: int = 100) -> list[FileId]:
        request = SearchRequest(query=query)
        place = after.position if after else None
        found = await registry.find(request, ordering, place, limit=limit, now=NOON)
        return [match.file.file_id for match in found]

    whole = await registry.find(SearchRequest(query=query), ordering, None, limit=100, now=NOON)
    ids = [match.file.file_id for match in whole]
    assert len(ids) == len(set(ids)) > 0
    for number, match in enumerate(whole, 1):
        assert await rows(match) == ids[number:]
        assert await rows(match, limit=1) == ids[number : number + 1]
    values: list[Any] = [match.position.value for match in whole]
    assert values == sorted(values, reverse=ordering.descending)


async def test_an_offset_skips_rows(registry: Registry) -> None:
    request = SearchRequest(page=PageRequest(limit=2, offset=1))
    found = await registry.find(request, ordering_of(request), None, limit=2, now=NOON)
    assert [match.file for match in found] == [DRAFT, CONTRACT]


async def test_names_are_sorted_without_regard_to_case(registry: Registry) -> None:
    assert await find(registry, sort=SortKey.FILENAME) == [DRAFT, PAST, CONTRACT]
    assert await find(registry, sort=SortKey.FILENAME, order=SortOrder.DESC) == [CONTRACT, PAST, DRAFT]


@pytest.mark.parametrize(
    ("query", "mode", "scores"),
    [
        ("past", SearchMode.PARTIAL, [1.0]),
        ("as", SearchMode.PARTIAL, [0.25]),
        ("ДОГОВОР", SearchMode.PARTIAL, [0.5 + 0.5 * 7 / 21, 0.0]),
        ("past", SearchMode.EXACT, [1.0]),
        ("", SearchMode.PARTIAL, [0.0, 0.0, 0.0]),
    ],
)
async def test_scores(registry: Registry, query: str, mode: SearchMode, scores: list[float]) -> None:
    request = SearchRequest(query=query, mode=mode)
    found = await registry.find(request, ordering_of(request), None, limit=9, now=NOON)
    assert [match.score for match in found] == pytest.approx(scores)


@pytest.mark.parametrize("metadata", [{"a": "\0"}, {"\0": 1}, {"a": "\ud800"}], ids=["value", "key", "surrogate"])
async def test_metadata_that_nobody_can_store_are_refused(
    postgres_side: PostgresSide, metadata: dict[str, Any]
) -> None:
    with pytest.raises(ValidationFailed):
        await find(postgres_side.registry, metadata=metadata)
