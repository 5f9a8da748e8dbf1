"""How PostgreSQL finds rows among many: by an index, whatever is asked for, as deep in a listing as one likes.

ARTSTORE_PLAN_ROWS=1000000 makes the table as large as it is meant to become; here it is large enough for the planner to
prefer an index wherever one serves.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from services.admin.domain.sync import Place
from services.admin.store import database as admin_database
from services.admin.store.elements import PostgresElements
from services.admin.store.migrations import migrate_to, migrating, migrations
from services.admin.store.registry import PostgresRegistry as AdminRegistry
from services.admin.store.roles import ensure_reader
from services.model.files import FileStatus, RetentionPolicy
from services.model.ids import ElementId, FileId
from services.model.paging import PageRequest
from services.model.search import SearchMode, SearchRequest, SortKey, SortOrder
from services.query.domain.ordering import Position, ordering_of
from services.query.store import database as query_database
from services.query.store.registry import PostgresRegistry
from tests.support.admin_things import NOW, record
from tests.support.postgres import Database, PostgresServer

ROWS = int(os.environ.get("ARTSTORE_PLAN_ROWS", "30000"))
PASSWORD = "the-reader's-password"
SOME = FileId("0198c0de-0000-7000-8000-000000000000")
INDEXES = """
SELECT indexname, indexdef FROM pg_indexes
WHERE schemaname = 'admin' AND tablename = 'files' AND indexname <> 'files_pkey'
"""
FILL = """
INSERT INTO admin.files (
    file_id, element_id, original_filename, content_type, size, sha256, uploaded_by, uploaded_at, updated_at,
    description, tags, metadata, retention_policy, ttl, expires_at, status, revision, epoch
)
SELECT
    uuidv7(make_interval(secs => n - $2)), $1, 'Договор поставки №' || n || ' от ' || n % 997 || '.' ||
        (ARRAY['pdf', 'pdf', 'pdf', 'docx', 'xlsx', 'e' || n % 300])[1 + n % 6],
    (ARRAY['application/pdf', 'text/plain'])[1 + n % 2], n * 37 % 100000000, repeat(md5(n::text), 2),
    'sa_scanner_' || n % 500, $3::timestamptz - make_interval(secs => $2 - n), $3,
    'сшив ' || n % 5000 || ' box' || n % 7000, ARRAY['год' || n % 400, 'дело' || n % 3000],
    jsonb_build_object('party', 'ООО ' || n % 2000), (ARRAY['permanent', 'temporary'])[1 + (n % 10 = 0)::int],
    CASE WHEN n % 10 = 0 THEN interval '30 days' END,
    CASE WHEN n % 10 = 0 THEN $3::timestamptz + make_interval(secs => n) END,
    CASE WHEN n % 1000 = 0 THEN 'missing' WHEN n % 50 = 0 THEN 'deleted' ELSE 'active' END, 1, 1
FROM generate_series(1, $2::int) AS n
"""


class Explaining:
    """In the place of a database: keeps the plan of each statement instead of doing it."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self.plans: list[dict[str, Any]] = []

    async def rows(self, sql: str, *arguments: object) -> list[asyncpg.Record]:
        connection = await asyncpg.connect(self._dsn, server_settings={"plan_cache_mode": "force_custom_plan"})
        try:
            text = await connection.fetchval(f"EXPLAIN (FORMAT JSON) {sql}", *arguments)
        finally:
            await connection.close()
        self.plans.append(json.loads(text)[0]["Plan"])
        return []

    async def row(self, sql: str, *arguments: object) -> asyncpg.Record | None:
        await self.rows(sql, *arguments)
        return None

    async def execute(self, sql: str, *arguments: object) -> int:
        await self.rows(sql, *arguments)
        return 0

    @property
    def scanned(self) -> list[str]:
        """Tables that would be read from end to end, but for the elements, which are few."""
        return [each for plan in self.plans for each in _scanned(plan)]


def _scanned(plan: dict[str, Any]) -> Iterator[str]:
    if plan["Node Type"] == "Seq Scan" and plan["Relation Name"] != "elements":
        yield plan["Relation Name"]
    for inner in plan.get("Plans", ()):
        yield from _scanned(inner)


async def _fill(made: Database) -> ElementId:
    async with migrating(made.owner_dsn) as connection:
        await migrate_to(connection, migrations())
        await ensure_reader(connection, made.query_role, PASSWORD)
        async with admin_database.open_database(made.owner_dsn, size=1) as database:
            element, _ = await PostgresElements(database).register(record("se-rw-01"), name=None)
        indexes = await connection.fetch(INDEXES)  # they are made faster than they are kept
        await connection.execute("; ".join(f"DROP INDEX admin.{index['indexname']}" for index in indexes))
        await connection.execute(FILL, element.element_id, ROWS, NOW)
        for index in indexes:
            await connection.execute(index["indexdef"])
        await connection.execute("ANALYZE admin.files")
    return element.element_id


@pytest.fixture(scope="module")
def filled(postgres: PostgresServer) -> tuple[Database, ElementId]:
    """A large registry, and the element that holds all of it."""
    made = asyncio.run(postgres.create_database())
    return made, asyncio.run(_fill(made))


@pytest.fixture
def reading(filled: tuple[Database, ElementId]) -> Explaining:
    made = filled[0]
    return Explaining(made.dsn(made.query_role, PASSWORD))


@pytest.fixture
def writing(filled: tuple[Database, ElementId]) -> Explaining:
    return Explaining(filled[0].owner_dsn)


@pytest.fixture
async def registry(filled: tuple[Database, ElementId]) -> AsyncIterator[PostgresRegistry]:
    """The same, for real."""
    made = filled[0]
    dsn = made.dsn(made.query_role, PASSWORD)
    async with query_database.open_database(dsn, size=1, statement_timeout=timedelta(seconds=20)) as database:
        yield PostgresRegistry(database)


SEARCHES = {
    "everything, newest first": SearchRequest(),
    "by name": SearchRequest(sort=SortKey.FILENAME),
    "largest": SearchRequest(sort=SortKey.SIZE, order=SortOrder.DESC),
    "exact": SearchRequest(query=f"Договор поставки №{ROWS // 2} от 7.pdf", mode=SearchMode.EXACT),
    "partial": SearchRequest(query="ставки №4321"),
    "partial in the description": SearchRequest(query="box4321"),
    "full text": SearchRequest(query="сшивы 4321", mode=SearchMode.FULLTEXT),
    "filename": SearchRequest(filename="№4321"),
    "extension": SearchRequest(extension="e77"),
    "all tags": SearchRequest(tags=("год17", "дело417")),
    "uploader": SearchRequest(uploaded_by="sa_scanner_77"),
    "metadata": SearchRequest(metadata={"party": "ООО 77"}),
    "uploaded in a day": SearchRequest(uploaded_after=NOW - timedelta(minutes=10), uploaded_before=NOW),
    "ending": SearchRequest(expires_before=NOW + timedelta(minutes=5)),
    "of a size": SearchRequest(size_min=37, size_max=3700),
    "missing": SearchRequest(status=FileStatus.MISSING),
    "temporary": SearchRequest(retention_policy=RetentionPolicy.TEMPORARY),
    "content type": SearchRequest(content_type="text/plain"),
}


@pytest.mark.parametrize("request_", SEARCHES.values(), ids=SEARCHES)
async def test_a_search_reads_no_table_from_end_to_end(reading: Explaining, request_: SearchRequest) -> None:
    registry = PostgresRegistry(reading)  # type: ignore[arg-type]  # explains where it would ask
    await registry.find(request_, ordering_of(request_), None, limit=101, now=NOW)
    assert reading.scanned == []


@pytest.mark.parametrize(
    ("key", "value"),
    [(SortKey.UPLOADED_AT, NOW - timedelta(seconds=ROWS // 2)), (SortKey.FILENAME, "договор"), (SortKey.SIZE, 10**7)],
)
async def test_a_deep_page_is_found_like_the_first(reading: Explaining, key: SortKey, value: Any) -> None:
    registry = PostgresRegistry(reading)  # type: ignore[arg-type]  # as above
    request = SearchRequest(sort=key, page=PageRequest(limit=100))
    await registry.find(request, ordering_of(request), Position(value, SOME), limit=101, now=NOW)
    assert reading.scanned == []


async def test_a_document_is_found_by_its_id(reading: Explaining) -> None:
    await PostgresRegistry(reading).record(SOME)  # type: ignore[arg-type]  # as above
    assert reading.scanned == []


async def test_admin_finds_its_rows_by_indexes(writing: Explaining, filled: tuple[Database, ElementId]) -> None:
    registry, element_id = AdminRegistry(writing), filled[1]  # type: ignore[arg-type]  # as above
    await registry.find(SOME)
    middle = NOW - timedelta(seconds=ROWS // 2)
    ids = [SOME] * 500
    await registry.stretch(element_id, ids, Place(middle, SOME), Place(middle + timedelta(seconds=500), SOME))
    await registry.mark_gone(element_id, [(SOME, 1)])
    await registry.forget(element_id, limit=1000)
    assert len(writing.plans) == 4
    assert [plan for plan in writing.scanned if plan == "files"] in ([], ["files"])  # to forget all, any row will do
    assert "Seq Scan" not in json.dumps(writing.plans[:3])
    assert max(plan["Plan Rows"] for plan in writing.plans[:3]) < ROWS / 10  # else more rows make it a scan


async def test_few_are_counted_and_many_estimated(registry: PostgresRegistry) -> None:
    uploader = SearchRequest(uploaded_by="sa_scanner_77")
    exact = await registry.count(uploader, now=NOW)
    assert ROWS / 500 * 0.9 < exact <= ROWS / 500
    total = await registry.count(SearchRequest(), now=NOW)
    assert ROWS * 0.85 < total < ROWS * 1.1


async def test_words_are_found_in_whatever_form(registry: PostgresRegistry) -> None:
    async def found(query: str) -> int:
        request = SearchRequest(query=query, mode=SearchMode.FULLTEXT, page=PageRequest(limit=10))
        return len(await registry.find(request, ordering_of(request), None, limit=10, now=NOW))

    number = 4321
    for query in (
        f"договору {number}",
        f"ПОСТАВКА {number}",
        f"сшивы {number}",
        f'"поставки {number}"',
        f"договор.{number}",
    ):
        assert await found(query) >= 1, query
    assert await found(f"договор {number} -поставки") == 0
    assert await found(f"договор {number} -поставкой") == 0
    assert await found("boxes4321 договор") == 0
    assert await found("нетакогослова") == 0
