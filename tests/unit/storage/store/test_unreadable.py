"""One attribute file lies on a bad sector: it alone is lost, and stops neither collection nor index."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from services.model.files import FileAttributes
from services.model.ids import FileId
from services.model.paging import PageRequest
from services.storage.domain import changes
from services.storage.domain.collecting import destruction
from services.storage.store.element import Element
from services.storage.store.fs import FileSystem
from services.storage.usecases.collect_garbage import CollectGarbage
from services.storage.usecases.finishing import Finishing
from services.storage.usecases.mode_gate import ModeGate
from tests.doubles.clock import FakeClock
from tests.doubles.disks import Call, WatchedDisk
from tests.support.storage_store import opened, store
from tests.unit.storage.samples import ANNA, FILE_ID, OTHER_ID, attributes


def bad(name: str) -> Callable[[Call], object]:
    """The file of that id cannot be read."""

    def look(call: Call) -> None:
        if call.name not in ("open", "load"):
            return
        path = os.fsdecode(call.arguments[0 if call.name == "open" else 1])
        if name in path and path.endswith(".attr.json"):
            raise OSError(errno.EIO, "a bad sector", path)

    return look


async def deleted(element: Element, file_id: FileId, clock: FakeClock) -> FileAttributes:
    await store(element.files, attributes(file_id=file_id), b"x")
    return await element.files.change(
        file_id,
        lambda d: changes.deleted(d, expected_revision=None, by=ANNA, at=clock.now()),
    )


async def test_garbage_is_collected_beside_it(tmp_path: Path) -> None:
    disk, clock = WatchedDisk(FileSystem()), FakeClock()
    async with opened(tmp_path, fs=disk, clock=clock) as element:
        for file_id in (FILE_ID, OTHER_ID):
            await deleted(element, file_id, clock)
        clock.advance(3600)
        disk.before = bad(FILE_ID)
        collect = CollectGarbage(
            gate=ModeGate(element.mode), files=element.files, collections=element.collections, clock=clock,
            finishing=Finishing(), grace=timedelta(0),
        )  # fmt: skip
        done = await collect()
        assert (done.failed, done.destroyed) == (1, 1)
        assert element.files.writable


async def test_the_index_is_made_without_it(tmp_path: Path) -> None:
    disk = WatchedDisk(FileSystem())
    async with opened(tmp_path, fs=disk) as element:
        await store(element.files, attributes(), b"x")
        other = await store(element.files, attributes(file_id=OTHER_ID), b"x")
    shutil.rmtree(tmp_path / "index")
    disk.before = bad(FILE_ID)
    async with opened(tmp_path, fs=disk) as element:
        assert list((await element.files.page(None, PageRequest())).items) == [other]


async def test_of_the_log_of_what_was_destroyed_only_the_months_are_read_that_are_needed(tmp_path: Path) -> None:
    clock, disk = FakeClock(), WatchedDisk(FileSystem())
    async with opened(tmp_path, clock=clock, fs=disk) as element:
        document = await _gone(element, clock)
        log = element._parts.destroyed
        old = log.lines(FILE_ID)
        [line] = list(old)
        later = replace(line, destroyed_at=line.destroyed_at + timedelta(days=62))
        log.append(later)
        disk.calls.clear()
        assert log.latest({FILE_ID}) == [later]
        assert sum(call.name == "open" for call in disk.calls) == 1
        assert log.latest({OTHER_ID}) == []
        assert document.file_id == FILE_ID


async def _gone(element: Element, clock: FakeClock) -> FileAttributes:
    file = await deleted(element, FILE_ID, clock)
    at = clock.now() + timedelta(days=1)
    assert await element.files.destroy(FILE_ID, lambda d: destruction(d, at, timedelta(0)))
    return file
