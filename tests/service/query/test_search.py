"""Searches and metadata from a real Query, and the process itself."""

from __future__ import annotations

import signal
from dataclasses import replace

import grpc
import pytest
from artstore.query.v1 import query_pb2, query_pb2_grpc

from clients import metadata
from clients.query import QueryClient
from services.chassis.faults import translated
from services.model.errors import Forbidden, ServiceUnavailable, ValidationFailed
from services.model.files import FileStatus
from services.model.paging import PageRequest
from services.model.search import SearchMode, SearchRequest
from services.query import rpc
from tests.doubles.documents import NOON, a_file
from tests.service.query.conftest import Ground
from tests.support.postgres import PostgresServer

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_document_is_found_by_part_of_its_name(ground: Ground, client: QueryClient) -> None:
    file = a_file(original_filename="Накладная 42.pdf", tags=("склад",), metadata={"n": [1, {"a": None}]})
    await ground.register(file, ground.played_address)
    page = await client.search(SearchRequest(query="накл"), on_behalf_of=ground.somebody())
    (hit,) = page.items
    assert hit.file == file
    assert 0.5 < hit.score < 1
    assert (page.total, page.has_more, page.next_cursor) == (1, False, "")
    exact = SearchRequest(query="НАКЛАДНАЯ 42.PDF", mode=SearchMode.EXACT, tags=("склад",))
    assert (await client.search(exact, on_behalf_of=ground.somebody())).total == 1


async def test_what_is_not_there_is_not_found(ground: Ground, client: QueryClient) -> None:
    page = await client.search(SearchRequest(query="nowhere at all"), on_behalf_of=ground.somebody())
    assert (list(page.items), page.total) == ([], 0)


async def test_pages_follow_each_other(ground: Ground, client: QueryClient) -> None:
    files = [a_file(tags=("pages",), size=n) for n in range(5)]
    for file in files:
        await ground.register(file, ground.played_address)
    request, seen = SearchRequest(tags=("pages",), page=PageRequest(limit=2)), []
    while True:
        page = await client.search(request, on_behalf_of=ground.somebody())
        assert page.total == 5
        seen += [hit.file.file_id for hit in page.items]
        if not page.has_more:
            break
        request = replace(request, page=PageRequest(limit=2, cursor=page.next_cursor))
    assert seen == sorted((file.file_id for file in files), reverse=True)


async def test_metadata_are_told_with_the_status_that_counts_now(ground: Ground, client: QueryClient) -> None:
    file = a_file(expires_at=NOON.replace(year=2020))
    await ground.register(file, ground.played_address)
    told = await client.file(file.file_id, on_behalf_of=ground.somebody())
    assert told == replace(file, status=FileStatus.EXPIRED)


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (SearchRequest(page=PageRequest(limit=0 + 1001)), "limit"),
        (SearchRequest(page=PageRequest(cursor="nonsense")), "cursor"),
        (SearchRequest(query="x" * 501), "query"),
    ],
)
async def test_a_wrong_search_is_refused_by_name(
    ground: Ground, client: QueryClient, request_: SearchRequest, field: str
) -> None:
    with pytest.raises(ValidationFailed) as refused:
        await client.search(request_, on_behalf_of=ground.somebody())
    assert [problem.field for problem in refused.value.details] == [field]


async def test_an_id_that_is_none_is_refused_by_name(ground: Ground, channel: grpc.aio.Channel) -> None:
    stub = query_pb2_grpc.QueryServiceStub(channel)
    with pytest.raises(ValidationFailed, match="file_id"), translated():
        await stub.GetFile(
            query_pb2.GetFileRequest(file_id="1"), metadata=metadata.bearer(ground.somebody()), timeout=9
        )


async def test_without_the_scope_nothing_is_told(ground: Ground, client: QueryClient) -> None:
    with pytest.raises(Forbidden):
        await client.search(SearchRequest(), on_behalf_of=ground.somebody("files:write"))


async def test_every_method_of_the_contract_is_served(ground: Ground, channel: grpc.aio.Channel) -> None:
    for method in query_pb2.DESCRIPTOR.services_by_name["QueryService"].methods:
        call: grpc.aio.StreamStreamMultiCallable[bytes, bytes]
        call = channel.stream_stream(f"/{rpc.SERVICE}/{method.name}")
        assert await call(iter([b""]), timeout=9).code() is grpc.StatusCode.UNAUTHENTICATED, method.name


async def test_while_postgresql_is_away_it_is_not_ready_and_says_so(
    ground: Ground, client: QueryClient, postgres: PostgresServer
) -> None:
    assert (await ground.process.health())["checks"]["postgresql"]["status"] == "ok"
    postgres.stop()
    try:
        with pytest.raises(ServiceUnavailable):
            await client.search(SearchRequest(), on_behalf_of=ground.somebody())
        health = await ground.process.health()
        assert (health["status"], health["checks"]["postgresql"]["status"]) == ("fail", "fail")
    finally:
        postgres.start()  # here, not in a thread that ends: its end would be taken for that of the tests
    assert (await client.search(SearchRequest(), on_behalf_of=ground.somebody())).total >= 0
    await ground.process.ready()


async def test_no_secret_is_in_the_log_or_on_the_command_line(ground: Ground, client: QueryClient) -> None:
    await client.search(SearchRequest(query="x"), on_behalf_of=ground.somebody())
    assert "postgresql://" not in ground.process.log
    assert "Bearer" not in ground.process.log


async def test_a_process_that_is_told_to_stop_ends_well(ground: Ground) -> None:
    ground.process.send(signal.SIGTERM)
    assert await ground.process.exit_status() == 0
