"""Directories that come back from a backup, and copies that become elements of their own."""

from __future__ import annotations

import contextlib
import itertools
import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from services.model.errors import FeedReset, NotFound, StorageUnavailable
from services.model.feed import FeedPosition
from services.model.ids import StorageId
from services.model.paging import PageRequest
from services.storage.store.element import Element, open_element
from services.storage.store.refusal import ElementRefused
from tests.doubles.clock import FakeClock
from tests.doubles.disks import PowerCut, StrictDisk, WatchedDisk
from tests.doubles.documents import new_id
from tests.support.storage_store import content_of, opened, options, store
from tests.unit.storage.samples import FILE_ID, OTHER_ID, attributes

ROOT = Path("/strict/data")
DAY = timedelta(days=1)


def position(element: Element) -> FeedPosition:
    found = element.feed.position
    assert found is not None
    return found


async def listed(element: Element) -> set[str]:
    return {each.file_id for each in (await element.files.page(None, PageRequest())).items}


def newest_epoch(data: Path) -> int:
    """As docs/backup.md tells to find it."""
    return max(int(path.name) for path in (data / ".epochs").iterdir())


def refused(folder: Path, reason: str, **changes: object) -> None:
    with pytest.raises(ElementRefused, match=reason), open_element(options(folder, **changes), clock=FakeClock()):
        pytest.fail("it was opened")


@pytest.fixture
async def ground(tmp_path: Path) -> tuple[Path, FeedPosition]:
    """A folder whose element was put back to what it was one upload earlier, on another machine; where its feed was."""
    async with opened(tmp_path, feed_retention=DAY) as element:
        await store(element.files, attributes(), b"kept")
    shutil.copytree(tmp_path / "data", tmp_path / "snapshot")
    async with opened(tmp_path, feed_retention=DAY) as element:
        await store(element.files, attributes(file_id=OTHER_ID), b"lost")
        reached = position(element)
    shutil.rmtree(tmp_path / "data")
    shutil.copytree(tmp_path / "snapshot", tmp_path / "data")
    shutil.move(tmp_path / "index", tmp_path / "old-index")
    return tmp_path, reached


async def test_a_restored_directory_tells_everybody_to_begin_anew_and_only_once(
    ground: tuple[Path, FeedPosition],
) -> None:
    folder, reached = ground
    restored = newest_epoch(folder / "data")
    async with opened(folder, restored=restored, feed_retention=DAY, indexed=False) as element:
        with pytest.raises(StorageUnavailable):
            await element.check_index()
        await element.rebuild()
        assert await listed(element) == {FILE_ID}
        with pytest.raises(FeedReset):
            await element.feed.follow(reached)
        anew = position(element)
        await store(element.files, attributes(file_id=new_id()), b"new")
    async with opened(folder, restored=restored, feed_retention=DAY, indexed=False) as element:
        await element.check_index()  # a setting that was forgotten does nothing
        following = await element.feed.follow(anew)
        assert len(await following.read(within=0)) == 1


async def test_where_the_index_remembers_more_it_is_noticed_without_being_told(
    ground: tuple[Path, FeedPosition],
) -> None:
    folder, reached = ground
    shutil.move(folder / "old-index", folder / "index")
    async with opened(folder, feed_retention=DAY) as element:
        assert await listed(element) == {FILE_ID}
        with pytest.raises(FeedReset):
            await element.feed.follow(reached)


async def test_the_setting_of_a_newer_backup_is_refused(ground: tuple[Path, FeedPosition]) -> None:
    folder, _ = ground
    refused(folder, r"seen only 1.*\.epochs", restored=7)


async def test_a_journal_newer_than_the_restored_directory_is_not_believed(tmp_path: Path) -> None:
    wal = tmp_path / "wal"
    async with opened(tmp_path, wal_dir=wal) as element:
        await store(element.files, attributes(), b"kept")
    shutil.copytree(tmp_path / "data", tmp_path / "snapshot")
    async with opened(tmp_path, wal_dir=wal):
        pass
    async with opened(tmp_path, wal_dir=wal) as element:
        await store(element.files, attributes(file_id=new_id()), b"lost")
        old = position(element)
    shutil.rmtree(tmp_path / "data")
    shutil.rmtree(tmp_path / "index")
    shutil.copytree(tmp_path / "snapshot", tmp_path / "data")
    refused(tmp_path, "newer than the directory.*SE_RESTORED=2", wal_dir=wal)
    async with opened(tmp_path, wal_dir=wal, restored=2) as element:
        assert await listed(element) == {FILE_ID}
        assert position(element).feed_id != old.feed_id
        await store(element.files, attributes(file_id=new_id()), b"new")
    async with opened(tmp_path, wal_dir=wal, restored=2) as element:
        assert len(await listed(element)) == 2


async def test_a_restored_start_that_is_cut_off_anywhere_is_repeated(memory: Path) -> None:
    disk = StrictDisk(ROOT)
    async with opened(memory / "base", fs=disk, data_dir=ROOT, feed_retention=DAY) as element:
        await store(element.files, attributes(), b"kept")
        old = position(element)
    disk = disk.copy()
    for calls in itertools.count():
        watched = WatchedDisk(disk.copy())
        watched.cut_after(calls)
        cut = True
        with contextlib.suppress(PowerCut):
            async with opened(memory / f"a{calls}", fs=watched, data_dir=ROOT, restored=1, indexed=False):
                cut = False
        assert isinstance(watched.inner, StrictDisk)
        async with opened(
            memory / f"b{calls}", fs=watched.inner.crash(None), data_dir=ROOT, restored=1, feed_retention=DAY
        ) as element:
            assert position(element).feed_id != old.feed_id
            assert await listed(element) == {FILE_ID}
        if not cut:
            break
    assert calls > 30


async def test_a_copy_becomes_an_element_of_its_own_once(tmp_path: Path) -> None:
    async with opened(tmp_path / "a", feed_retention=DAY) as original:
        stored = await store(original.files, attributes(), b"content")
        uuid, old = original.identity.element_uuid, position(original)
    shutil.copytree(tmp_path / "a/data", tmp_path / "b/data")
    refused(tmp_path / "b", "SE_STORAGE_ID", storage_id=StorageId("se-2"))
    own: dict[str, Any] = {"storage_id": StorageId("se-2"), "new_identity": uuid, "feed_retention": DAY}
    async with opened(tmp_path / "b", **own) as copy:
        identity = copy.identity
        assert (identity.storage_id, identity.cloned_from) == ("se-2", uuid)
        assert identity.element_uuid != uuid
        assert await content_of(copy.files, stored) == b"content"
        assert position(copy).feed_id != old.feed_id
        anew = position(copy)
        await store(copy.files, attributes(file_id=OTHER_ID), b"more")
    async with opened(tmp_path / "b", **own) as copy:
        assert copy.identity == identity, "a setting that was forgotten does nothing"
        assert len(await (await copy.feed.follow(anew)).read(within=0)) == 1
    async with opened(tmp_path / "a") as original:
        assert original.identity.element_uuid == uuid
        assert position(original).feed_id == old.feed_id
        with pytest.raises(NotFound):
            await original.files.find(OTHER_ID)


async def test_the_original_is_not_taken_for_its_copy(tmp_path: Path) -> None:
    async with opened(tmp_path) as original:
        uuid = original.identity.element_uuid
    refused(tmp_path, "looks like the original", new_identity=uuid)
    async with opened(tmp_path, new_identity="another") as original:
        assert original.identity.element_uuid == uuid


async def test_what_was_under_way_when_the_copy_was_made_is_settled_in_it(memory: Path) -> None:
    """Cut off at any call of its first start, the copy is one at the next; files are whole or not there."""
    disk = StrictDisk(ROOT)
    async with opened(memory / "base", fs=disk, data_dir=ROOT) as element:
        await store(element.files, attributes(), b"kept")
        uuid = element.identity.element_uuid
    watched = WatchedDisk(disk.copy())
    with contextlib.suppress(PowerCut):
        async with opened(memory / "cut", fs=watched, data_dir=ROOT) as element:
            first, renames = len(watched.calls), itertools.count(1)

            def kill(call: object) -> None:
                if len(watched.calls) > first and getattr(call, "name", "") == "rename" and next(renames) == 2:
                    raise PowerCut  # the data of the new file are in place, its attributes are not

            watched.before = kill
            await store(element.files, attributes(file_id=OTHER_ID), b"half")
    assert isinstance(watched.inner, StrictDisk)
    disk = watched.inner.copy()
    assert sum(path.startswith("files/") for path in disk.paths()) == 3
    own: dict[str, Any] = {"data_dir": ROOT, "storage_id": StorageId("se-2"), "new_identity": uuid}
    for calls in itertools.count():
        watched, cut = WatchedDisk(disk.copy()), True
        watched.cut_after(calls)
        with contextlib.suppress(PowerCut):
            async with opened(memory / f"a{calls}", fs=watched, indexed=False, **own):
                cut = False
        assert isinstance(watched.inner, StrictDisk)
        left = watched.inner.crash(None)
        async with opened(memory / f"b{calls}", fs=left, **own) as copy:
            assert copy.identity.cloned_from == uuid
            assert await listed(copy) == {FILE_ID}
            assert sum(path.startswith("files/") for path in left.paths()) == 2
            await copy.files.change(FILE_ID, lambda d: replace(d.attributes, description="x", revision=2))
        if not cut:
            break
    assert calls > 30
