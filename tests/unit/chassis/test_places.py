"""So many at a time; the next is refused soon, or comes in when one has left."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from services.chassis.places import Places
from services.model.errors import ServiceUnavailable, StorageUnavailable


async def test_as_many_as_there_are_places_come_in_and_the_next_is_refused_with_a_time_to_come_back() -> None:
    places = Places(2, patience=0.01)
    async with places.taken(), places.taken():
        with pytest.raises(ServiceUnavailable) as refused:
            async with places.taken():
                pytest.fail("there was a third place")
    assert refused.value.retry_after


async def test_the_refusal_is_the_one_that_was_chosen() -> None:
    places = Places(1, refusal=StorageUnavailable, patience=0.01)
    async with places.taken():
        with pytest.raises(StorageUnavailable):
            await places.taken().__aenter__()


async def test_who_waits_comes_in_when_one_leaves_however_that_one_ended() -> None:
    places = Places(1, patience=30)
    came, may_fail = asyncio.Event(), asyncio.Event()

    async def fail() -> None:
        async with places.taken():
            await may_fail.wait()
            raise KeyError

    async def come_in() -> None:
        async with places.taken():
            came.set()

    failing = asyncio.create_task(fail())
    await asyncio.sleep(0)
    waiting = asyncio.create_task(come_in())
    await asyncio.sleep(0)
    assert not came.is_set()
    may_fail.set()
    with pytest.raises(KeyError):
        await failing
    await asyncio.wait_for(waiting, 5)
    assert came.is_set()


async def test_one_that_was_refused_or_left_while_waiting_keeps_no_place() -> None:
    places = Places(1, patience=0.01)
    async with places.taken():
        with pytest.raises(ServiceUnavailable):
            await places.taken().__aenter__()
        leaving = asyncio.create_task(places.taken().__aenter__())
        await asyncio.sleep(0)
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(places.taken())
        with pytest.raises(ServiceUnavailable):
            await places.taken().__aenter__()
