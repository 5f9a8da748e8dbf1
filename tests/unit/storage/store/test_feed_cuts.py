"""The power goes after each single call while files and the mode change: the change feed tells what the disk has.

Nothing that was told is taken back or told under another number, and what was acknowledged is told once.
"""

from __future__ import annotations

import contextlib
import random
import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from services.model.elements import Mode
from services.model.errors import FileDeleted, NotFound
from services.model.feed import Change, Destroyed, FeedPosition
from services.model.files import FileStatus
from services.model.ids import Subject
from services.storage.domain.documents import Document
from services.storage.domain.modes import ModeState
from services.storage.store.element import Element
from tests.doubles.disks import SKIPPED, Call, PowerCut, StrictDisk, WatchedDisk
from tests.support.power_cuts import Everything, worth_cutting
from tests.support.storage_store import opened, store
from tests.unit.storage.samples import ANNA, FILE_ID, NOW, attributes

ROOT = Path("/strict/data")
DAY = timedelta(days=1)
KINDS = ["created", "updated", "mode_changed", "deleted", "purged"]


def line(document: Document) -> Destroyed:
    file = document.attributes
    return Destroyed(file.file_id, file.size, file.sha256, FileStatus.DELETED, ANNA, NOW, NOW)


async def live(element: Element, acknowledged: list[str]) -> None:
    """Everything that can happen to a file, and a change of the mode; each is noted once it is acknowledged."""
    files = element.files
    await store(files, attributes(), b"content")
    acknowledged.append("created")
    await files.change(FILE_ID, lambda d: replace(d.attributes, description="new", revision=2))
    acknowledged.append("updated")
    await element.modes.keep(ModeState(Mode.RO, 2, NOW, Subject("anna")))
    acknowledged.append("mode_changed")
    await files.change(FILE_ID, lambda d: replace(d.attributes, status=FileStatus.DELETED, revision=3))
    acknowledged.append("deleted")
    await files.destroy(FILE_ID, line)
    acknowledged.append("purged")


async def told(element: Element, since: FeedPosition) -> list[Change]:
    following = await element.feed.follow(since)
    return list(await following.read(within=0))


def known(changes: list[Change]) -> list[tuple[int, str, str | None]]:
    return [(each.number, each.kind.value, each.file_id) for each in changes]


async def base(folder: Path) -> tuple[StrictDisk, FeedPosition]:
    disk = StrictDisk(ROOT)
    async with opened(folder, fs=disk, data_dir=ROOT, feed_retention=DAY) as element:
        position = element.feed.position
        assert position is not None
    return disk.copy(), position


async def calls_of(folder: Path, disk: StrictDisk) -> list[Call]:
    watched = WatchedDisk(disk.copy())
    async with opened(folder, fs=watched, data_dir=ROOT, feed_retention=DAY) as element:
        first = len(watched.calls)
        await live(element, [])
        return watched.calls[first:]


async def cut(
    folder: Path, disk: StrictDisk, begin: FeedPosition, calls: int, skip: int | None = None
) -> tuple[StrictDisk, Path, list[Change], list[str]]:
    """Live until the power goes: what is left of both disks, what was told, and what was acknowledged."""
    watched, left = WatchedDisk(disk.copy()), folder.with_name(f"{folder.name}-left")
    before: list[Change] = []
    acknowledged: list[str] = []
    with contextlib.suppress(PowerCut):
        async with opened(folder, fs=watched, data_dir=ROOT, feed_retention=DAY) as element:
            first = len(watched.calls)

            def count(call: object) -> object:
                number = len(watched.calls) - first - 1
                if number >= calls:
                    raise PowerCut
                return SKIPPED if number == skip else None

            watched.before = count
            try:
                await live(element, acknowledged)
            finally:
                watched.cut_after(0)
                before = await told(element, begin)
                shutil.copytree(folder, left)
    assert isinstance(watched.inner, StrictDisk)
    return watched.inner, left, before, acknowledged


async def check(disk: StrictDisk, folder: Path, begin: FeedPosition, before: list[Change], acknowledged: int) -> None:
    async with opened(folder, fs=disk, data_dir=ROOT, feed_retention=DAY) as element:
        after = await told(element, begin)
        assert known(after)[: len(before)] == known(before), "nothing is taken back"
        assert [each.kind for each in after] == KINDS[: len(after)], "each once, in order"
        assert len(after) >= max(acknowledged, len(before))
        assert ("mode_changed" in [each.kind for each in after]) == (element.mode.revision == 2)
        try:
            file = (await element.files.find(FILE_ID)).attributes
            assert len(after) in {1, 2, 3, 4}
            assert file.revision == len(after) - (len(after) >= 3)
        except NotFound:
            assert after == []
        except FileDeleted:
            assert len(after) == 5


async def test_after_a_cut_anywhere_the_feed_tells_what_the_disk_has(memory: Path) -> None:
    disk, begin = await base(memory / "base")
    calls = await calls_of(shutil.copytree(memory / "base", memory / "calls"), disk)
    for number in worth_cutting(calls):
        index = shutil.copytree(memory / "base", memory / f"{number}")
        broken, left, before, acknowledged = await cut(index, disk, begin, number)
        for name, luck in (("none", None), ("all", Everything()), ("some", random.Random(number))):  # noqa: S311 - luck
            again = shutil.copytree(left, memory / f"{number}-{name}")
            await check(broken.crash(luck), again, begin, before, len(acknowledged))
            shutil.rmtree(again)
        shutil.rmtree(left)
        shutil.rmtree(index)


async def test_what_a_killed_process_had_written_is_told_only_once_it_is_durable(memory: Path) -> None:
    """The next process reads what the one before had not come to sync; then the power goes."""
    disk, begin = await base(memory / "base")
    calls = await calls_of(shutil.copytree(memory / "base", memory / "calls"), disk)
    more = 0
    for number in (each for each, call in enumerate(calls) if call.name == "fdatasync"):
        index = shutil.copytree(memory / "base", memory / f"{number}")
        broken, left, before, acknowledged = await cut(index, disk, begin, number)
        killed = broken.killed()
        async with opened(left, fs=killed, data_dir=ROOT, feed_retention=DAY) as element:
            after = await told(element, begin)
            lost = killed.crash(None)
        more += len(after) > len(before)
        shutil.rmtree(left)  # the index of another machine: what it knows must not help
        await check(lost, left, begin, after, len(acknowledged))
    assert more, "some had been written and not synced"


async def test_without_one_of_the_journals_syncs_the_feed_takes_something_back(memory: Path) -> None:
    """Sabotage: the test above notices."""
    disk, begin = await base(memory / "base")
    calls = await calls_of(shutil.copytree(memory / "base", memory / "calls"), disk)
    commits = [number for number, call in enumerate(calls) if call.name == "fdatasync"]
    assert len(commits) > 5
    last = commits[-1]
    index = shutil.copytree(memory / "base", memory / "sabotage")
    broken, left, before, acknowledged = await cut(index, disk, begin, len(calls), skip=last)
    assert len(before) == len(acknowledged) == 5
    shutil.rmtree(left)  # the index of another machine: what it knows must not help
    with pytest.raises(AssertionError, match="taken back"):
        await check(broken.crash(None), left, begin, before, len(acknowledged))
