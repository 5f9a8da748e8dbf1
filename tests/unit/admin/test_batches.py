"""Work that is done together."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

import pytest

from services.admin.usecases.batches import LANES, MOST, Batches
from services.model.errors import NotFound, ServiceUnavailable


class Worker:
    """Doubles numbers; refuses negative ones, and works only while `may` is set."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.may = asyncio.Event()
        self.down = False

    async def __call__(self, items: Sequence[int]) -> Sequence[int]:
        self.batches.append(list(items))
        await self.may.wait()
        if self.down:
            raise ServiceUnavailable("away")
        if any(item < 0 for item in items):
            raise NotFound("negative")
        return [2 * item for item in items]


@pytest.fixture
def worker() -> Worker:
    return Worker()


async def test_one_alone_waits_for_nobody(worker: Worker) -> None:
    worker.may.set()
    assert await Batches(worker).add(3) == 6
    assert worker.batches == [[3]]


async def test_what_comes_meanwhile_is_done_together_and_answered_each(worker: Worker) -> None:
    batches = Batches(worker)
    adding = [asyncio.create_task(batches.add(number)) for number in range(2 * MOST + LANES)]
    await asyncio.sleep(0)  # all have been added
    await asyncio.sleep(0)  # all lanes have begun
    assert [len(batch) for batch in worker.batches] == [MOST] * LANES
    worker.may.set()
    assert await asyncio.gather(*adding) == [2 * number for number in range(2 * MOST + LANES)]
    assert len(worker.batches) == LANES + 1


async def test_a_refused_one_takes_no_other_with_it(worker: Worker) -> None:
    batches = Batches(worker)
    adding = [asyncio.create_task(batches.add(number)) for number in (1, 2, 3, -4, 5)]
    await asyncio.sleep(0)
    worker.may.set()
    outcomes = await asyncio.gather(*adding, return_exceptions=True)
    assert [outcome for outcome in outcomes if not isinstance(outcome, NotFound)] == [2, 4, 6, 10]
    assert isinstance(outcomes[3], NotFound)


async def test_while_the_store_is_away_all_are_told_at_once(worker: Worker) -> None:
    batches = Batches(worker)
    adding = [asyncio.create_task(batches.add(number)) for number in range(50)]
    await asyncio.sleep(0)
    worker.down = True
    worker.may.set()
    outcomes = await asyncio.gather(*adding, return_exceptions=True)
    assert all(isinstance(outcome, ServiceUnavailable) for outcome in outcomes)
    assert len(worker.batches) <= LANES + 1
    worker.down = False
    assert await batches.add(7) == 14


async def test_a_caller_that_goes_away_disturbs_nobody(worker: Worker) -> None:
    batches = Batches(worker)
    leaving, staying = (asyncio.create_task(batches.add(number)) for number in (1, 2))
    await asyncio.sleep(0)
    leaving.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await leaving
    worker.may.set()
    assert await staying == 4
    assert 1 in [item for batch in worker.batches for item in batch]


async def test_who_comes_as_the_last_lane_ends_is_not_left_waiting() -> None:
    ends = asyncio.Event()

    async def work(items: Sequence[int]) -> Sequence[int]:
        if items[0] < LANES:
            await ends.wait()
        return items

    batches = Batches(work)
    first = []
    for number in range(LANES):
        first.append(asyncio.create_task(batches.add(number)))
        await asyncio.sleep(0)  # it has been added
        await asyncio.sleep(0)  # its lane has begun
    ends.set()
    late = asyncio.create_task(batches.add(LANES))  # runs right after the lanes have, before anything else
    async with asyncio.timeout(2):
        assert await asyncio.gather(*first, late) == [*range(LANES), LANES]
