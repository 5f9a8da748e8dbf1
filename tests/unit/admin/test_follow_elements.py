"""Whoever watches elements is told how they are, and then what changes."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import replace

from services.admin.domain.elements import Health
from services.admin.usecases.follow_elements import FollowElements, changes
from services.model.elements import ElementStatus
from tests.doubles.admin_stores import MemoryElements
from tests.support.admin_things import NOW, record

OFFLINE = Health(ElementStatus.OFFLINE, NOW, "it cannot be reached")


async def test_first_all_of_them_then_what_changes() -> None:
    first, second = record("se-a"), record("se-b")
    store = MemoryElements(first, second)
    follow = FollowElements(elements=store)
    async with asyncio.timeout(5), aclosing(follow.follow()) as news:
        assert [(await anext(news)).element for _ in range(2)] == [first.element, second.element]
        waiting = asyncio.ensure_future(anext(news))
        await asyncio.sleep(0)
        assert await follow() == 1
        await store.observe(replace(second, health=OFFLINE))
        assert await follow() == 1
        assert (await waiting).element == replace(second, health=OFFLINE).element


async def test_what_changed_before_somebody_came_is_not_told_late() -> None:
    one = record("se-a")
    store = MemoryElements(one)
    follow = FollowElements(elements=store)
    async with asyncio.timeout(5):
        async with aclosing(follow.follow()) as news:
            await anext(news)
            await follow()
        await store.observe(replace(one, health=OFFLINE))
        async with aclosing(follow.follow()) as news:
            assert (await anext(news)).element.status is ElementStatus.OFFLINE
            waiting = asyncio.ensure_future(anext(news))
            await asyncio.sleep(0)
            await follow()
            await asyncio.sleep(0)
            assert not waiting.done()
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)


async def test_nobody_follows_and_nothing_is_read() -> None:
    store = MemoryElements(record())
    follow = FollowElements(elements=store)
    async with aclosing(follow.follow()) as news:
        await anext(news)
    assert await follow() == 0


def test_sizes_alone_are_no_news_and_one_that_went_is() -> None:
    before = record("se-a").element
    fuller = replace(record("se-a"), info=replace(record("se-a").info, used_bytes=99)).element
    assert changes({before.element_id: before}, {before.element_id: fuller}) == []
    assert [(each.element, each.removed) for each in changes({before.element_id: before}, {})] == [(before, True)]
