"""The contract of `ports.Feed`, for the in-memory and the real one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest

from services.model.errors import FeedReset, ValidationFailed
from services.model.feed import Change, ChangeKind, Destroyed, FeedPosition
from services.model.files import FileAttributes, FileStatus
from services.model.ids import FileId
from services.storage.domain.documents import Document
from services.storage.ports import Feed, Files, Following
from tests.doubles.documents import new_id
from tests.doubles.storage_files import MemoryFiles
from tests.support.storage_store import opened, store
from tests.unit.storage.samples import ANNA, FILE_ID, NOW, OTHER_ID, attributes


@dataclass(frozen=True)
class Parts:
    files: Files
    feed: Feed


@pytest.fixture(params=["memory", "disk"])
async def element(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Parts]:
    """An empty element that keeps its changes."""
    if request.param == "memory":
        memory = MemoryFiles()
        yield Parts(memory, memory.feed)
    else:
        async with opened(tmp_path, feed_retention=timedelta(days=1)) as real:
            yield Parts(real.files, real.feed)


async def told(following: Following, changes: int) -> list[Change]:
    """So many changes."""
    found: list[Change] = []
    while len(found) < changes:
        found += await following.read(within=5)
    return found


async def set_status(files: Files, file_id: FileId, status: FileStatus) -> FileAttributes:
    return await files.change(
        file_id, lambda d: replace(d.attributes, status=status, revision=d.attributes.revision + 1)
    )


def line(document: Document) -> Destroyed:
    file = document.attributes
    return Destroyed(file.file_id, file.size, file.sha256, FileStatus.DELETED, ANNA, NOW, NOW)


async def test_everything_that_happens_is_told_in_order_and_by_its_name(element: Parts) -> None:
    following = await element.feed.follow(None)
    created = await store(element.files, attributes(), b"one")
    updated = await element.files.change(FILE_ID, lambda d: replace(d.attributes, description="new", revision=2))
    states = [FileStatus.DAMAGED, FileStatus.ACTIVE, FileStatus.MISSING, FileStatus.ACTIVE, FileStatus.EXPIRED]
    files = [await set_status(element.files, FILE_ID, status) for status in [*states, FileStatus.DELETED]]
    purged = await element.files.destroy(FILE_ID, line)
    changes = await told(following, 9)
    assert [each.kind for each in changes] == [
        "created", "updated", "damaged", "restored", "missing", "restored", "expired", "deleted", "purged",
    ]  # fmt: skip
    assert [each.file for each in changes] == [created, updated, *files, None]
    assert changes[-1].destroyed == purged
    assert {each.file_id for each in changes} == {FILE_ID}
    numbers = [each.number for each in changes]
    assert numbers == sorted(set(numbers))


async def test_what_changes_nothing_is_not_told(element: Parts) -> None:
    await store(element.files, attributes(), b"one")
    following = await element.feed.follow(None)
    await element.files.change(FILE_ID, lambda d: d.attributes)
    await store(element.files, attributes(), b"one")
    await element.files.destroy(FILE_ID, lambda d: None)
    assert list(await following.read(within=0.01)) == []


async def test_one_goes_on_from_wherever_one_was(element: Parts) -> None:
    begin = element.feed.position
    assert begin is not None
    for _ in range(5):
        await store(element.files, attributes(file_id=new_id()), b"x")
    all_of_them = await told(await element.feed.follow(begin), 5)
    for index, each in enumerate(all_of_them, start=1):
        following = await element.feed.follow(FeedPosition(begin.feed_id, each.number))
        assert following.position.number == each.number
        assert list(await following.read(within=0.01)) == all_of_them[index:]
        assert following.position == element.feed.position


async def test_one_who_waits_is_woken(element: Parts) -> None:
    following = await element.feed.follow(None)
    waiting = asyncio.create_task(following.read(within=30))
    await asyncio.sleep(0)
    stored = await store(element.files, attributes(), b"one")
    [change] = await asyncio.wait_for(waiting, 10)
    assert (change.kind, change.file) == (ChangeKind.CREATED, stored)


async def test_another_feed_or_a_number_to_come_is_refused(element: Parts) -> None:
    present = element.feed.position
    assert present is not None
    for wrong in (FeedPosition("another", present.number), FeedPosition(present.feed_id, present.number + 1)):
        with pytest.raises(FeedReset):
            await element.feed.follow(wrong)


async def test_what_was_destroyed_is_listed_in_the_order_of_destruction(element: Parts) -> None:
    lines = []
    for number in range(5):
        file_id = new_id() if number else OTHER_ID
        await store(element.files, attributes(file_id=file_id), b"x")
        at = NOW + timedelta(seconds=number)
        await element.files.destroy(file_id, lambda d, at=at: replace(line(d), destroyed_at=at))  # type: ignore[misc]
        found = await element.feed.destroyed("", 100)
        lines = list(found.items)
        assert len(lines) == number + 1
    first = await element.feed.destroyed("", 3)
    second = await element.feed.destroyed(first.next_cursor, 3)
    assert [*first.items, *second.items] == lines
    assert not second.next_cursor
    with pytest.raises(ValidationFailed):
        await element.feed.destroyed("nonsense", 3)
