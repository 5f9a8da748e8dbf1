"""Who does operations, how they end, and what becomes of those whose doer went away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from typing import Any

import pytest

from services.admin.domain.operations import MOST_ATTEMPTS, Task, due
from services.admin.usecases.operations import (
    CancelOperation,
    GetOperation,
    ListOperations,
    ScheduleSyncs,
    StartOperation,
)
from services.admin.usecases.run_operations import AT_ONCE, Note, RunOperations
from services.chassis.caller import Identity
from services.model.elements import ElementStatus
from services.model.errors import (
    ConfirmationRequired,
    Conflict,
    ErrorCode,
    NotFound,
    ServiceUnavailable,
    StorageUnavailable,
    ValidationFailed,
)
from services.model.ids import ElementId, Subject
from services.model.operations import (
    Operation,
    OperationFailure,
    OperationFilter,
    OperationId,
    OperationKind,
    OperationState,
    Progress,
)
from services.model.paging import PageRequest
from tests.doubles.admin_operations import FakeClaims, MemoryOperations
from tests.doubles.admin_stores import MemoryElements
from tests.doubles.clock import FakeClock
from tests.support.admin_things import NOW, record

SYNC, SCRUB = OperationKind.SYNC, OperationKind.SCRUB
SOMEBODY = Identity(Subject("admin"), frozenset({"storage:write"}))


class Work:
    """Work that goes on until the test lets it end."""

    def __init__(self) -> None:
        self.begun: list[Task] = []
        self.may_end = asyncio.Event()
        self.fails: Exception | None = None

    async def __call__(self, task: Task, note: Note) -> Mapping[str, Any]:
        self.begun.append(task)
        await note(Progress(1, 2), {"stood": "here"})
        await self.may_end.wait()
        if self.fails:
            raise self.fails
        return {"done": True}


class House:
    """Two elements, and one replica that does operations."""

    def __init__(self) -> None:
        self.records = [record("se-rw-01"), record("se-rw-02")]
        self.elements = MemoryElements(*self.records)
        self.operations = MemoryOperations()
        self.claims = FakeClaims()
        self.clock = FakeClock(NOW)
        self.work = Work()
        self.over: list[Operation] = []
        self.nudges = 0
        self.run = self.replica(self.claims)
        self.start = StartOperation(
            operations=self.operations, elements=self.elements, clock=self.clock, nudge=self.nudge
        )
        self.get = GetOperation(operations=self.operations)
        self.cancel = CancelOperation(operations=self.operations, get=self.get, nudge=self.nudge)

    def replica(self, claims: FakeClaims) -> RunOperations:
        return RunOperations(
            operations=self.operations,
            claims=claims,
            clock=self.clock,
            kinds={SYNC: self.work, SCRUB: self.work},
            ended=self.over.append,
        )

    def nudge(self) -> None:
        self.nudges += 1

    async def begin(self, number: int = 0) -> Operation:
        return (await self.start(SYNC, self.records[number].element_id, {}, by="admin"))[0]

    async def begun(self, *, times: int = 1) -> None:
        async with asyncio.timeout(5):
            while len(self.work.begun) < times:  # noqa: ASYNC110 - the work tells nobody
                await asyncio.sleep(0)

    async def ended(self, operation: Operation) -> Operation:
        async with asyncio.timeout(5):
            while not (seen := await self.get(operation.id)).ended:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0)
        return seen


@pytest.fixture
async def house() -> AsyncIterator[House]:
    made = House()
    async with made.run:
        yield made


@pytest.mark.parametrize(
    ("runs", "asked", "enough"),
    [({}, {}, True), ({}, {"force": True}, False), ({"force": True}, {}, True),
     ({"quick": True}, {"quick": True}, True), ({"quick": False}, {"quick": True}, True),
     ({"quick": True}, {"quick": False}, False)],
)  # fmt: skip
async def test_who_asks_for_more_than_runs_is_told(
    house: House, runs: dict[str, bool], asked: dict[str, bool], enough: bool
) -> None:
    element = house.records[0].element_id
    running, _ = await house.start(SYNC, element, runs, by="admin")
    if enough:
        assert await house.start(SYNC, element, asked, by="admin") == (running, False)
    else:
        with pytest.raises(Conflict):
            await house.start(SYNC, element, asked, by="admin")


async def test_what_was_started_is_done_once_and_its_result_kept(house: House) -> None:
    operation = await house.begin()
    assert (house.nudges, operation.state) == (1, OperationState.PENDING)
    assert await house.run() == 1
    await house.begun()
    running = await house.get(operation.id)
    assert (running.state, running.progress, running.started_at) == (OperationState.RUNNING, Progress(1, 2), NOW)
    assert await house.run() == 1
    house.work.may_end.set()
    ended = await house.ended(operation)
    assert (ended.state, ended.result, ended.failure) == (OperationState.SUCCEEDED, {"done": True}, None)
    assert len(house.work.begun) == 1
    assert await house.run() == 0
    assert house.over == [ended]


async def test_a_second_start_answers_with_the_one_that_runs(house: House) -> None:
    operation = await house.begin()
    assert await house.start(SYNC, operation.element_id, {}, by="another") == (operation, False)
    with pytest.raises(NotFound):
        await house.start(SYNC, ElementId("0198c0de-0000-4000-8000-000000000000"), {}, by="admin")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (StorageUnavailable("the element is away"), ErrorCode.STORAGE_UNAVAILABLE),
        (ZeroDivisionError("a fault"), ErrorCode.INTERNAL_ERROR),
    ],
)
async def test_one_that_fails_says_why(house: House, error: Exception, code: ErrorCode) -> None:
    house.work.fails = error
    house.work.may_end.set()
    operation = await house.begin()
    await house.run()
    ended = await house.ended(operation)
    assert ended.failure is not None
    assert (ended.state, ended.failure.code) == (OperationState.FAILED, code)
    assert "a fault of ours" in ended.failure.message or ended.failure.message == "the element is away"


async def test_while_the_store_is_away_it_goes_on_afterwards(house: House) -> None:
    house.work.fails = ServiceUnavailable("the registry does not answer now")
    house.work.may_end.set()
    operation = await house.begin()
    await house.run()
    await house.begun()
    await asyncio.sleep(0.01)
    assert (await house.get(operation.id)).state is OperationState.RUNNING
    house.work.fails = None
    await house.run()
    assert (await house.ended(operation)).state is OperationState.SUCCEEDED
    assert [task.attempts for task in house.work.begun] == [1, 1]


async def test_one_that_another_replica_does_is_left_to_it_until_it_lets_go(house: House) -> None:
    operation = await house.begin()
    house.claims.others = {f"operation {operation.id}"}
    assert await house.run() == 0
    house.claims.others = set()
    assert await house.run() == 1


async def test_one_whose_doer_has_died_goes_on_where_it_stood(house: House) -> None:
    operation = await house.begin()
    async with house.replica(FakeClaims()) as dying:
        await dying()
        await house.begun()
    assert (await house.get(operation.id)).state is OperationState.RUNNING
    house.work.may_end.set()
    await house.run()
    await house.ended(operation)
    assert [task.memory for task in house.work.begun] == [{}, {"stood": "here"}]


async def test_one_that_ends_every_process_fails_in_the_end(house: House) -> None:
    operation = await house.begin()
    for _ in range(MOST_ATTEMPTS):
        assert await house.operations.take(operation.id, NOW)
    await house.run()
    ended = await house.ended(operation)
    assert ended.failure is not None
    assert "begun 5 times" in ended.failure.message
    assert house.work.begun == []


@pytest.mark.parametrize("loss", ["claims", "operations"])
async def test_whoever_loses_the_store_stops_what_he_does(house: House, loss: str) -> None:
    await house.begin()
    await house.run()
    await house.begun()
    getattr(house, loss).down = True
    assert await house.run() == 0
    getattr(house, loss).down = False
    assert await house.run() == 1
    await house.begun(times=2)


async def test_only_so_many_of_a_kind_are_done_at_once(house: House) -> None:
    records = [record(f"se-{number}") for number in range(AT_ONCE + 3)]
    house.elements.records |= {each.element_id: each for each in records}
    for each in records:
        await house.start(SCRUB, each.element_id, {}, by="admin")
    assert await house.run() == AT_ONCE
    await house.start(SYNC, records[0].element_id, {}, by="admin")
    assert await house.run() == AT_ONCE + 1, "what takes days keeps no other kind waiting"
    house.work.may_end.set()
    async with asyncio.timeout(5):
        while await house.operations.open():
            await house.run()
            await asyncio.sleep(0)
    assert len(house.work.begun) == AT_ONCE + 3 + 1


async def test_one_that_waits_is_cancelled_without_having_begun(house: House) -> None:
    operation = await house.begin()
    await house.operations.request_cancel(operation.id)
    await house.run()
    assert (await house.get(operation.id)).state is OperationState.CANCELLED
    assert house.work.begun == []


async def test_one_that_runs_is_stopped_on_request(house: House) -> None:
    operation = await house.begin()
    await house.run()
    await house.begun()
    cancelling = asyncio.create_task(house.cancel(operation.id, user=SOMEBODY))
    await asyncio.sleep(0)
    assert await house.run() == 0
    assert (await cancelling).state is OperationState.CANCELLED
    assert [each.state for each in house.over] == [OperationState.CANCELLED]
    assert (await house.cancel(operation.id, user=SOMEBODY)).state is OperationState.CANCELLED


async def test_what_has_ended_otherwise_cannot_be_cancelled(house: House) -> None:
    house.work.may_end.set()
    operation = await house.begin()
    await house.run()
    await house.ended(operation)
    with pytest.raises(Conflict, match="it succeeded"):
        await house.cancel(operation.id, user=SOMEBODY)
    with pytest.raises(NotFound):
        await house.cancel(OperationId("0198c0de-0000-4000-8000-000000000000"), user=SOMEBODY)


async def test_who_waits_is_told_of_the_end_or_of_what_is_then(house: House) -> None:
    operation = await house.begin()
    await house.run()
    await house.begun()
    waited = await house.get.wait(operation, timedelta(seconds=0.05))
    assert waited.state in (OperationState.PENDING, OperationState.RUNNING)
    house.work.may_end.set()
    assert (await house.get.wait(operation, timedelta(seconds=5))).state is OperationState.SUCCEEDED


async def test_who_watches_sees_every_change_until_the_end(house: House) -> None:
    operation = await house.begin()
    seen = []
    async for each in house.get.watch(operation.id):
        seen.append(each.state)
        await house.run()
        house.work.may_end.set()
    assert seen[0] is OperationState.PENDING
    assert seen[-1] is OperationState.SUCCEEDED


async def test_a_list_goes_on_at_its_cursor_and_at_no_other(house: House) -> None:
    made = [await house.begin(number) for number in (0, 1)]
    listing = ListOperations(operations=house.operations)
    first = await listing(OperationFilter(), PageRequest(limit=1))
    second = await listing(OperationFilter(), PageRequest(limit=1, cursor=first.next_cursor))
    assert {each.id for each in (*first.items, *second.items)} == {each.id for each in made}
    assert (first.has_more, second.has_more, first.total) == (True, False, 2)
    with pytest.raises(ValidationFailed, match="cursor"):
        await listing(OperationFilter(), PageRequest(cursor="made up"))


HOUR = timedelta(hours=1)


def last_one(state: OperationState, code: ErrorCode | None = None) -> Operation:
    ended = state not in (OperationState.PENDING, OperationState.RUNNING)
    failure = OperationFailure(code, "x") if code else None
    return Operation(
        OperationId("x"), SYNC, ElementId("y"), state, "admin", NOW,
        finished_at=NOW + timedelta(minutes=5) if ended else None, failure=failure,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("last", "when"),
    [
        (None, timedelta(0)),
        (last_one(OperationState.SUCCEEDED), HOUR),
        (last_one(OperationState.CANCELLED), HOUR),
        (last_one(OperationState.FAILED, ErrorCode.CONFIRMATION_REQUIRED), HOUR),
        (last_one(OperationState.FAILED, ErrorCode.STORAGE_UNAVAILABLE), timedelta(minutes=6)),
        (last_one(OperationState.RUNNING), None),
        (last_one(OperationState.PENDING), None),
    ],
)
def test_a_periodic_one_is_due_in_its_time(last: Operation | None, when: timedelta | None) -> None:
    if when is None:
        assert not due(last, NOW + 99 * HOUR, HOUR)
    else:
        assert due(last, NOW + when, HOUR)
        assert last is None or not due(last, NOW + when - timedelta(seconds=1), HOUR)


async def test_elements_that_answer_are_synced_when_they_are_due(house: House) -> None:
    offline = record("se-gone", ElementStatus.OFFLINE, "it cannot be reached")
    house.elements.records[offline.element_id] = offline
    schedule = ScheduleSyncs(
        operations=house.operations, elements=house.elements, start=house.start, clock=house.clock, interval=HOUR
    )
    assert await schedule() == 2
    assert await schedule() == 0
    assert {each.element_id for each in await house.operations.open()} == {each.element_id for each in house.records}
    house.elements.down = True
    assert await schedule() == 0


async def test_a_refusal_for_want_of_confirmation_is_a_reason(house: House) -> None:
    house.work.fails = ConfirmationRequired("too many files have gone")
    house.work.may_end.set()
    operation = await house.begin()
    await house.run()
    failure = (await house.ended(operation)).failure
    assert failure == OperationFailure(ErrorCode.CONFIRMATION_REQUIRED, "too many files have gone")
