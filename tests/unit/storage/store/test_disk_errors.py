"""Errors of a disk that mean something of their own; every call fails once in tests/faults."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from services.model.errors import StorageUnavailable
from services.model.files import FileAttributes, FileStatus
from services.model.ids import FileId
from services.storage.ports import Files
from tests.doubles.disks import Call, StrictDisk, WatchedDisk
from tests.support.storage_store import content_of, opened, store
from tests.unit.storage.samples import FILE_ID, OTHER_ID, attributes

ROOT = Path("/strict/data")
LATER_ID = FileId("01b20000-0000-7000-8000-000000000000")
OLD, NEW = b"old" * 1000, b"new" * 1000
Action = Callable[[Files], Awaitable[FileAttributes]]


async def create(files: Files) -> FileAttributes:
    return await store(files, attributes(file_id=LATER_ID), NEW)


async def update(files: Files) -> FileAttributes:
    return await files.change(FILE_ID, lambda d: replace(d.attributes, description="new", revision=2))


async def delete(files: Files) -> FileAttributes:
    return await files.change(FILE_ID, lambda d: replace(d.attributes, status=FileStatus.DELETED, revision=2))


async def base(folder: Path) -> StrictDisk:
    disk = StrictDisk(ROOT)
    async with opened(folder, fs=disk, data_dir=ROOT) as element:
        await store(element.files, attributes(), OLD)
    return disk.copy()


async def calls_of(folder: Path, disk: StrictDisk, action: Action) -> list[Call]:
    watched = WatchedDisk(disk.copy())
    async with opened(folder, fs=watched, data_dir=ROOT) as element:
        before = len(watched.calls)
        await action(element.files)
        return watched.calls[before:]


async def folder_syncs_of(folder: Path, disk: StrictDisk, action: Action) -> list[int]:
    """Which of the calls they are."""
    inner = disk.copy()
    watched, found = WatchedDisk(inner), list[int]()
    async with opened(folder, fs=watched, data_dir=ROOT) as element:
        first = len(watched.calls)

        def before(call: Call) -> None:
            if call.name == "fsync" and inner.is_folder(call.arguments[0]):
                found.append(len(watched.calls) - first - 1)

        watched.before = before
        await action(element.files)
        watched.well()
    return found


@pytest.mark.parametrize("action", [create, update])
async def test_an_error_of_a_folder_s_sync_is_never_a_full_disk(action: Action, memory: Path) -> None:
    """What the kernel could not write it may have dropped: whether the name is there, nobody knows."""
    disk = await base(memory / "base")
    folders = await folder_syncs_of(memory / "count", disk, action)
    assert folders
    for number in folders:
        watched = WatchedDisk(disk.copy())
        async with opened(memory / f"at{number}", fs=watched, data_dir=ROOT) as element:
            watched.fail_at(number, errno.ENOSPC)
            with pytest.raises(StorageUnavailable):
                await action(element.files)
            assert not element.files.writable


@pytest.mark.parametrize("code", [errno.EMFILE, errno.ENFILE])
async def test_too_many_open_files_refuse_one_upload_and_not_the_next(code: int, memory: Path) -> None:
    watched = WatchedDisk(StrictDisk(ROOT))
    async with opened(memory, fs=watched, data_dir=ROOT) as element:

        def no_more(call: Call) -> None:
            if call.name == "open":
                raise OSError(code, "too many open files")

        watched.before = no_more
        with pytest.raises(StorageUnavailable, match="overloaded"):
            await create(element.files)
        watched.well()
        await create(element.files)


async def test_a_failed_read_is_not_not_found(memory: Path) -> None:
    watched = WatchedDisk(await base(memory / "base"))
    async with opened(memory / "at", fs=watched, data_dir=ROOT) as element:
        document = await element.files.find(FILE_ID)

        def unreadable(call: Call) -> None:
            if call.name in ("read", "entries"):
                raise OSError(errno.EIO, "unreadable")

        watched.before = unreadable
        for file_id in (FILE_ID, OTHER_ID):
            with pytest.raises(StorageUnavailable):
                await element.files.find(file_id)
        with pytest.raises(StorageUnavailable):
            async with element.files.content(document, None, hashed=True) as content:
                await content.read()
        watched.well()
        assert element.files.writable, "a failed read leaves no outcome unknown"
        assert await content_of(element.files, document.attributes) == OLD


async def test_a_disk_that_was_unmounted_is_not_an_empty_one(memory: Path) -> None:
    disk = await base(memory / "base")
    watched = WatchedDisk(disk)
    empty = StrictDisk(ROOT)
    async with opened(memory / "at", fs=watched, data_dir=ROOT) as element:
        watched.inner = empty
        for file_id in (FILE_ID, OTHER_ID):
            with pytest.raises(StorageUnavailable):
                await element.files.find(file_id)
        with pytest.raises(StorageUnavailable, match="mounted"):
            await element.check_filesystem()
        with pytest.raises(StorageUnavailable):
            await create(element.files)
        assert empty.paths() == {}
        watched.inner = disk


async def test_what_was_open_when_an_element_stopped_writing_is_settled_by_the_next_start(memory: Path) -> None:
    watched = WatchedDisk(await base(memory / "base"))
    async with opened(memory / "at", fs=watched, data_dir=ROOT) as element:
        watched.fail_at(len(await calls_of(memory / "count", await base(memory / "b"), update)) - 2, errno.EIO)
        with contextlib.suppress(StorageUnavailable):
            await update(element.files)
        watched.well()
        assert not element.files.writable
    async with opened(memory / "at", fs=watched, data_dir=ROOT, indexed=False) as element:
        await element.check_index()
        await element.check_wal()
        assert (await element.files.find(FILE_ID)).attributes.revision == 2, "its new attributes were in place"


async def test_a_sender_who_leaves_while_the_commit_waits_harms_nobody(tmp_path: Path) -> None:
    async with opened(tmp_path) as element:
        async with element.files.receive(FILE_ID, 3) as incoming:
            await incoming.write(b"one")
            sha256 = await incoming.finish()
        with pytest.raises(StorageUnavailable) as refused:
            await incoming.commit(attributes(size=3, sha256=sha256))
        assert not refused.value.outcome_unknown
        assert element.files.writable
