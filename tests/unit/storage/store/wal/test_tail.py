"""The end of the journal: bounded in memory, and nobody who follows it sleeps through a change."""

from __future__ import annotations

import asyncio

from services.model.feed import Change, ChangeKind
from services.storage.store.wal.records import Place
from services.storage.store.wal.tail import End, Tail

HERE = Place(1, 1)


def at(number: int) -> End:
    return End(HERE, 100, number)


def changes(first: int, last: int) -> list[Change]:
    return [Change(number, ChangeKind.UPDATED, None) for number in range(first, last + 1)]


def test_only_the_latest_changes_are_at_hand() -> None:
    tail = Tail(at_hand=3)
    tail.begin(at(10))
    tail.publish(at(15), changes(11, 15))
    assert tail.after(15, 10) == []
    assert tail.after(12, 10) == changes(13, 15)
    assert tail.after(12, 2) == changes(13, 14)
    assert tail.after(11, 10) is None, "the journal has it"
    assert [tail.has(number) for number in (11, 12, 13, 15, 16)] == [False, True, True, True, False]


def test_before_the_first_change_what_came_earlier_is_not_at_hand() -> None:
    tail = Tail()
    assert tail.end is None
    tail.begin(at(10))
    assert tail.after(10, 5) == []
    assert tail.after(9, 5) is None


async def test_all_who_wait_are_woken_from_another_thread() -> None:
    tail = Tail()
    tail.begin(at(10))
    waiting = [asyncio.create_task(tail.newer(10, 30)) for _ in range(3)]
    await asyncio.sleep(0)
    await asyncio.to_thread(tail.publish, at(11), changes(11, 11))
    assert await asyncio.wait_for(asyncio.gather(*waiting), 10) == [True, True, True]
    assert await tail.newer(10, 0) is True
    assert await tail.newer(11, 0.01) is False
    assert not tail._waiting, "who has left is forgotten"
