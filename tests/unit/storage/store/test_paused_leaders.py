"""A leader that is paused until its lease has lapsed, in the middle of what it has begun, and then goes on leading."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from services.ingester.domain import may_be_kept
from services.model.errors import FileDeleted, StorageUnavailable
from services.model.paging import PageRequest
from services.storage.domain import changes
from services.storage.domain.collecting import destruction
from services.storage.domain.names import ATTRIBUTES_SUFFIX
from services.storage.ports import Whole
from services.storage.store.element import Element
from services.storage.store.fs import FileSystem
from services.storage.store.options import Replicated
from tests.doubles.clock import FakeClock
from tests.doubles.disks import Call, WatchedDisk
from tests.support.storage_store import content_of, opened, store
from tests.unit.storage.samples import ANNA, FILE_ID, attributes
from tests.unit.storage.store.test_one_of_several import PATIENCE, lead

PAUSE = 6.0
"""Longer than a lease, shorter than another process waits."""
Paused = Callable[[Callable[[Call], bool]], None]


@asynccontextmanager
async def leader(folder: Path) -> AsyncIterator[tuple[Element, Paused, FakeClock]]:
    """One that leads, and what pauses it before the next call of a kind."""
    clock, disk = FakeClock(), WatchedDisk(FileSystem())

    def pause_before(moment: Callable[[Call], bool]) -> None:
        def look(call: Call) -> None:
            if moment(call):
                disk.well()
                clock.advance(PAUSE)

        disk.before = look

    own = Replicated("127.0.0.1", 8010, PATIENCE)
    async with opened(folder, clock=clock, fs=disk, indexed=False, replicated=own) as element:
        assert element.candidate is not None
        await lead(element, element.candidate)
        try:
            yield element, pause_before, clock
        finally:
            await element.candidate.close()


def the_sync_of_the_folder_of_the_file(call: Call) -> bool:
    """After the rename of the attributes."""
    return call.name == "fsync" and _path(call.arguments[0]).parent.parent.parent.parent.name == "files"


def _path(descriptor: int) -> Path:
    return Path(f"/proc/self/fd/{descriptor}").readlink()


def the_rename(call: Call) -> bool:
    return call.name == "rename" and "files" in call.arguments[1].parts


def a_new_segment(call: Call) -> bool:
    return call.name == "open" and call.arguments[0].suffix == ".seg"


@pytest.mark.parametrize("moment", [the_rename, the_sync_of_the_folder_of_the_file])
async def test_what_it_has_begun_it_ends(tmp_path: Path, moment: Callable[[Call], bool]) -> None:
    async with leader(tmp_path) as (element, pause_before, _):
        before = element.feed.position
        pause_before(moment)
        stored = await store(element.files, attributes(), b"one")
        assert element.feed.position != before
        assert list((await element.files.page(None, PageRequest())).items) == [stored]
        assert not element._parts.charge.writing.journal._open
        assert await content_of(element.files, stored) == b"one"


async def test_a_small_file_too(tmp_path: Path) -> None:
    async with leader(tmp_path) as (element, pause_before, _):
        pause_before(the_rename)
        stored = await element.files.store(Whole(FILE_ID, b"one", lambda sha256: attributes(size=3, sha256=sha256)))
        assert await content_of(element.files, stored) == b"one"


async def test_it_begins_nothing_until_it_has_shown_life(tmp_path: Path) -> None:
    async with leader(tmp_path) as (element, _, clock):
        clock.advance(PAUSE)
        with pytest.raises(StorageUnavailable, match="changing its leader") as refused:
            await store(element.files, attributes(), b"one")
        assert not may_be_kept(refused.value), "nothing was begun"
        assert element.candidate is not None
        await element.candidate.beat()
        await store(element.files, attributes(), b"one")


async def test_a_journal_s_new_segment_has_its_head_however_slow_it_was_made(tmp_path: Path) -> None:
    async with leader(tmp_path) as (element, pause_before, _):
        pause_before(a_new_segment)
        for number in range(32):
            assert element.candidate is not None
            await element.candidate.beat()
            await store(element.files, attributes(file_id=FILE_ID[:-6] + f"{number:06x}"), b"one")
    async with leader(tmp_path) as (successor, _, _):
        await successor.check_wal()


async def test_what_was_begun_and_is_refused_may_have_been_kept(tmp_path: Path) -> None:
    """Another process leads meanwhile, and this one has noticed."""
    async with leader(tmp_path) as (element, _, _):
        health = element._parts.charge.health
        disk = element._parts.fs
        assert isinstance(disk, WatchedDisk)

        def deposed(call: Call) -> None:
            if call.name == "fsync" and health.writable and any(the_rename(each) for each in disk.calls):
                health.depose("a later epoch has begun")

        disk.calls.clear()
        disk.before = deposed
        with pytest.raises(StorageUnavailable, match="changing its leader") as told:
            await store(element.files, attributes(), b"one")
        assert may_be_kept(told.value)
        with pytest.raises(StorageUnavailable, match="changing its leader") as refused:
            await store(element.files, attributes(), b"one")
        assert not may_be_kept(refused.value)


async def test_what_was_destroyed_and_lies_there_again_is_not_served(tmp_path: Path) -> None:
    async with opened(tmp_path) as element:
        one = await store(element.files, attributes(), b"one")
        again = {path: path.read_bytes() for path in (tmp_path / "data/files").rglob("*") if path.is_file()}
        now = one.uploaded_at + timedelta(days=1)
        await element.files.change(FILE_ID, lambda d: changes.deleted(d, expected_revision=None, by=ANNA, at=now))
        assert await element.files.destroy(FILE_ID, lambda d: destruction(d, now + timedelta(days=2), timedelta(0)))
        for path, data in again.items():
            path.write_bytes(data)
        assert sum(path.name.endswith(ATTRIBUTES_SUFFIX) for path in again) == 1
        with pytest.raises(FileDeleted):
            await element.files.find(FILE_ID)
        assert not (await element.files.page(None, PageRequest())).items
        with pytest.raises(FileDeleted):
            await store(element.files, replace(one, description="again"), b"one")
