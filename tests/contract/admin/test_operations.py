"""What every store of operations promises."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from services.admin.domain.operations import Order
from services.admin.domain.places import Place
from services.admin.ports import OperationStore
from services.admin.store.claims import PostgresClaims
from services.admin.store.leases import PostgresLeases
from services.model.errors import ErrorCode, ServiceUnavailable
from services.model.ids import ElementId
from services.model.operations import (
    Operation,
    OperationFailure,
    OperationFilter,
    OperationId,
    OperationKind,
    OperationState,
    Progress,
)
from tests.support.admin_things import NOW
from tests.support.postgres import Database, PostgresServer

SYNC, RECONCILE = OperationKind.SYNC, OperationKind.RECONCILE
ONE, OTHER = (ElementId(str(uuid.uuid4())) for _ in range(2))
NOBODY = OperationId(str(uuid.uuid4()))
LATER = NOW + timedelta(seconds=5)


async def started(operations: OperationStore, element_id: ElementId = ONE, kind: OperationKind = SYNC) -> Operation:
    return (await operations.start(Order(kind, element_id, "admin", {"force": True}), NOW))[0]


async def test_a_new_operation_waits_to_be_done(operations: OperationStore) -> None:
    operation, created = await operations.start(Order(SYNC, ONE, "admin"), NOW)
    assert created
    assert operation == Operation(operation.id, SYNC, ONE, OperationState.PENDING, "admin", NOW)
    assert await operations.get(operation.id) == operation
    assert await operations.open() == [operation]
    assert await operations.get(NOBODY) is None


async def test_a_second_start_finds_the_first_until_that_has_ended(operations: OperationStore) -> None:
    made = await asyncio.gather(*(operations.start(Order(SYNC, ONE, "admin"), NOW) for _ in range(5)))
    assert sum(created for _, created in made) == 1
    (one,) = {operation.id for operation, _ in made}
    assert (await operations.start(Order(RECONCILE, ONE, "admin"), NOW))[1]
    assert (await operations.start(Order(SYNC, OTHER, "admin"), NOW))[1]
    await operations.take(one, NOW)
    assert (await operations.start(Order(SYNC, ONE, "admin"), NOW))[0].id == one
    await operations.finish(one, OperationState.SUCCEEDED, LATER)
    again, created = await operations.start(Order(SYNC, ONE, "admin"), NOW)
    assert (created, again.id == one) == (True, False)


async def test_who_takes_it_up_again_knows_where_it_stood(operations: OperationStore) -> None:
    one = await started(operations)
    first = await operations.take(one.id, NOW)
    assert first is not None
    assert (first.attempts, first.arguments, first.memory) == (1, {"force": True}, {})
    assert (first.operation.state, first.operation.started_at) == (OperationState.RUNNING, NOW)
    await operations.note(one.id, Progress(5, 10), {"cursor": "x"})
    again = await operations.take(one.id, LATER)
    assert again is not None
    assert (again.memory, again.operation.started_at) == ({"cursor": "x"}, NOW)
    assert again.operation.progress == Progress(5, 10, "files")
    assert again.operation.arguments == {"force": True}


async def test_only_attempts_without_progress_are_counted(operations: OperationStore) -> None:
    one = await started(operations)
    attempts = [task.attempts for _ in range(3) if (task := await operations.take(one.id, NOW))]
    await operations.note(one.id, Progress(5, 10), {})
    after = await operations.take(one.id, NOW)
    assert after is not None
    assert (attempts, after.attempts) == ([1, 2, 3], 1)


@pytest.mark.parametrize(
    ("state", "result", "failure"),
    [
        (OperationState.SUCCEEDED, {"listed": 5}, None),
        (OperationState.FAILED, None, OperationFailure(ErrorCode.STORAGE_UNAVAILABLE, "away")),
        (OperationState.CANCELLED, None, None),
    ],
)
async def test_what_has_ended_stays_as_it_ended(
    operations: OperationStore, state: OperationState, result: dict[str, int] | None, failure: OperationFailure | None
) -> None:
    one = await started(operations)
    ended = await operations.finish(one.id, state, LATER, result=result, failure=failure)
    assert ended is not None
    assert (ended.state, ended.result, ended.failure, ended.finished_at) == (state, result, failure, LATER)
    assert await operations.finish(one.id, OperationState.CANCELLED, LATER) is None
    assert await operations.take(one.id, LATER) is None
    assert not await operations.request_cancel(one.id)
    await operations.note(one.id, Progress(9), {"cursor": "y"})
    assert await operations.get(one.id) == ended
    assert await operations.open() == []


async def test_a_wish_to_cancel_is_seen(operations: OperationStore) -> None:
    one = await started(operations)
    assert await operations.request_cancel(one.id)
    (seen,) = await operations.open()
    assert seen.cancel_requested
    assert not await operations.request_cancel(NOBODY)


async def test_pages_show_the_latest_first_and_only_what_is_wanted(operations: OperationStore) -> None:
    made = []
    for number in range(6):
        order = Order(SYNC if number % 2 else RECONCILE, ONE if number < 3 else OTHER, "admin")
        operation, _ = await operations.start(order, NOW + timedelta(seconds=number // 2))
        ended = await operations.finish(operation.id, OperationState.SUCCEEDED, LATER)
        assert ended is not None
        made.append(ended)
    ordered = sorted(made, key=lambda each: (each.created_at, each.id), reverse=True)
    found: list[Operation] = []
    while len(found) < 6:
        after = Place(found[-1].created_at.isoformat(), found[-1].id) if found else None
        page, total = await operations.page(OperationFilter(), limit=2, after=after)
        assert total == 6
        found += page
    assert found == ordered
    assert await operations.page(OperationFilter(), limit=9, offset=4) == (ordered[4:], 6)
    only = await operations.page(OperationFilter(SYNC, OperationState.SUCCEEDED, OTHER), limit=9)
    assert only == ([each for each in ordered if (each.kind, each.element_id) == (SYNC, OTHER)], 2)
    assert await operations.page(OperationFilter(state=OperationState.FAILED), limit=9) == ([], 0)


async def test_the_last_of_a_kind_on_each_element_is_known(operations: OperationStore) -> None:
    first = await started(operations)
    await operations.finish(first.id, OperationState.FAILED, LATER, failure=OperationFailure(ErrorCode.CONFLICT, "x"))
    second, _ = await operations.start(Order(SYNC, ONE, "admin"), LATER)
    other = await started(operations, OTHER)
    await started(operations, OTHER, RECONCILE)
    assert await operations.last(SYNC) == {ONE: second, OTHER: other}


async def test_the_last_on_one_element_is_known_without_the_others(operations: OperationStore) -> None:
    for element in (ONE, OTHER):
        await operations.start(Order(SYNC, element, "admin"), NOW)
    assert set(await operations.last(SYNC, ONE)) == {ONE}
    assert set(await operations.last(SYNC)) == {ONE, OTHER}


async def test_old_ones_are_forgotten(operations: OperationStore) -> None:
    old, running = await started(operations), await started(operations, OTHER)
    await operations.finish(old.id, OperationState.SUCCEEDED, LATER)
    assert await operations.prune(LATER) == 0
    assert await operations.prune(LATER + timedelta(seconds=1)) == 1
    assert await operations.get(old.id) is None
    assert await operations.open() == [running]


@pytest.fixture
async def empty(postgres: PostgresServer) -> Database:
    return await postgres.create_database()


@pytest.fixture
async def claims(empty: Database) -> AsyncIterator[tuple[PostgresClaims, PostgresClaims]]:
    async with PostgresClaims(empty.owner_dsn) as one, PostgresClaims(empty.owner_dsn) as other:
        yield one, other


async def test_a_claim_is_held_by_one_until_it_lets_go(claims: tuple[PostgresClaims, PostgresClaims]) -> None:
    one, other = claims
    assert await one.hold(["a", "b"]) == {"a", "b"}
    assert await other.hold(["a", "b", "c"]) == {"c"}
    assert await one.hold(["b"]) == {"b"}
    assert await other.hold(["a", "b", "c"]) == {"a", "c"}
    assert await one.hold(["a", "b", "c"]) == {"b"}


async def test_a_claim_ends_with_its_holder(claims: tuple[PostgresClaims, PostgresClaims]) -> None:
    one, other = claims
    await one.hold(["a"])
    await one.__aexit__(None, None, None)
    async with asyncio.timeout(10):
        while await other.hold(["a"]) != {"a"}:  # noqa: ASYNC110 - the server notices in its own time
            await asyncio.sleep(0.02)
    assert await one.hold(["a"]) == set()


async def test_claims_and_leases_of_one_name_exclude_each_other(
    claims: tuple[PostgresClaims, PostgresClaims], empty: Database
) -> None:
    await claims[0].hold(["a"])
    async with PostgresLeases(empty.owner_dsn).hold("a") as held:
        assert not held


async def test_a_claim_is_lost_with_the_store(claims: tuple[PostgresClaims, PostgresClaims], empty: Database) -> None:
    one, other = claims
    await one.hold(["a"])
    gone = PostgresClaims(empty.owner_dsn.replace("@/", "@/no_such_"))
    with pytest.raises(ServiceUnavailable):
        await gone.hold(["a"])
    assert await other.hold(["a"]) == set()
