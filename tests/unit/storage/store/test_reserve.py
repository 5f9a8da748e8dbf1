"""Room that is kept for tidying up, given up when the disk is full, and made whole again."""

from __future__ import annotations

import errno
from collections.abc import Awaitable
from dataclasses import replace
from pathlib import Path

import pytest

from services.model.errors import StorageFull
from services.model.files import FileAttributes, FileStatus
from services.storage.domain.documents import Document
from services.storage.domain.scrubbing import Round
from services.storage.store.fs import FileSystem
from services.storage.store.index import Index
from services.storage.store.layout import Layout
from services.storage.store.reserve import Reserve
from tests.doubles.clock import FakeClock
from tests.doubles.disks import Call, WatchedDisk
from tests.support.storage_keeping import BY, Keeper
from tests.support.storage_store import opened, store
from tests.unit.storage.samples import FILE_ID, NOW, OTHER_ID, attributes

SIZE = 4096


class Small(FileSystem):
    """A disk of which this much is free: a reserve takes some of it, and giving it up gives it back."""

    def __init__(self, root: Path, free: int) -> None:
        self.root, self.free = root, free

    def space(self, path: Path) -> tuple[int, int]:
        taken = (self.root / ".reserve").stat().st_size if (self.root / ".reserve").exists() else 0
        return self.free - taken, 1 << 30

    def allocate(self, descriptor: int, offset: int, length: int) -> None:
        if self.space(self.root)[0] < length:
            raise OSError(errno.ENOSPC, "full")
        super().allocate(descriptor, offset, length)


def reserve(root: Path, free: int) -> tuple[Reserve, Small]:
    disk = Small(root, free)
    return Reserve(disk, Layout(root), SIZE), disk


def test_it_has_real_blocks_and_lacks_nothing_then(tmp_path: Path) -> None:
    made, _ = reserve(tmp_path, 3 * SIZE)
    assert made.missing == SIZE
    assert made.refill()
    assert made.missing == 0
    assert (tmp_path / ".reserve").stat().st_blocks * 512 >= SIZE


def test_it_is_not_made_where_nothing_would_be_left(tmp_path: Path) -> None:
    made, disk = reserve(tmp_path, 2 * SIZE - 1)
    assert not made.refill()
    assert made.missing == SIZE
    assert not (tmp_path / ".reserve").exists()
    disk.free += 1
    assert made.refill()


def test_one_of_another_size_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / ".reserve").write_bytes(b"cut")
    made, _ = reserve(tmp_path, 3 * SIZE)
    assert made.refill()
    assert (tmp_path / ".reserve").stat().st_size == SIZE


def test_what_is_too_large_for_the_disk_is_done_again_with_it_given_up(tmp_path: Path) -> None:
    made, disk = reserve(tmp_path, 2 * SIZE)
    made.refill()
    disk.free = SIZE

    def job(size: int) -> str:
        if disk.space(tmp_path)[0] < size:
            raise StorageFull("full")
        return "done"

    assert made.spending(job, SIZE) == "done"
    assert made.missing == SIZE
    with pytest.raises(StorageFull):  # there is nothing more to give up
        made.spending(job, SIZE + 1)
    assert not made.refill(), "not before there is room again"


def test_an_opening_with_hardly_any_room_begins_with_giving_it_up(tmp_path: Path) -> None:
    made, disk = reserve(tmp_path, 2 * SIZE)
    made.refill()
    disk.free = 2 * SIZE - 1
    made.begin()
    assert not (tmp_path / ".reserve").exists()


async def test_damage_is_marked_noted_and_mended_on_a_full_disk(tmp_path: Path) -> None:
    disk, clock = WatchedDisk(FileSystem()), FakeClock()
    async with opened(tmp_path, fs=disk, clock=clock, min_free_space=0) as element:
        await store(element.files, attributes(), b"x" * 5000)
        keeper, root = Keeper(element, clock), tmp_path / "data"
        document = await element.files.find(FILE_ID)
        place = element._parts.layout.data(FILE_ID, document.storage_filename)

        def full(call: Call) -> object:
            if call.name == "write" and (root / ".reserve").exists():
                raise OSError(errno.ENOSPC, "full")
            return None

        async def on_a_full_disk(work: Awaitable[object]) -> None:
            await element.keep_reserve()
            assert (root / ".reserve").exists()
            disk.before = full
            await work
            assert not (root / ".reserve").exists(), "it was needed"
            disk.well()

        place.write_bytes(b"y" * 5000)
        await on_a_full_disk(keeper.verify(FILE_ID))
        assert (await element.files.find(FILE_ID)).attributes.status is FileStatus.DAMAGED
        await on_a_full_disk(element.scrubbing.keep(Round(began_at=NOW, before=None, after=None, complete=False)))
        [item] = await keeper.quarantine()
        (root / "quarantine" / item.item_id / item.names[0]).write_bytes(b"x" * 5000)
        await on_a_full_disk(keeper.restore(item.item_id, by=BY))
        assert (await element.files.find(FILE_ID)).attributes.status is FileStatus.ACTIVE


async def test_changes_and_destruction_spend_it_and_uploads_do_not(tmp_path: Path) -> None:
    disk = WatchedDisk(FileSystem())
    async with opened(tmp_path, fs=disk, min_free_space=0) as element:
        await store(element.files, attributes(), b"x" * 5000)
        root = tmp_path / "data"

        def full(call: Call) -> object:
            """Nothing takes room while there is a reserve, or after it is gone for those who may not have it."""
            if call.name == "space":
                return (0 if (root / ".reserve").exists() else SIZE), 1 << 30
            if call.name in ("allocate", "write") and (root / ".reserve").exists():
                raise OSError(errno.ENOSPC, "full")
            return None

        disk.before = full
        with pytest.raises(StorageFull):
            await store(element.files, attributes(file_id=OTHER_ID), b"y")
        assert (root / ".reserve").exists(), "an upload does not get it"

        def deleted(document: Document) -> FileAttributes:
            return replace(document.attributes, status=FileStatus.DELETED, revision=2)

        assert (await element.files.change(FILE_ID, deleted)).status is FileStatus.DELETED
        assert not (root / ".reserve").exists()
        with pytest.raises(StorageFull):
            await store(element.files, attributes(file_id=OTHER_ID), b"y")
        disk.well()
        await element.keep_reserve()
        assert (root / ".reserve").exists()
        await store(element.files, attributes(file_id=OTHER_ID), b"y")


async def test_an_index_on_the_full_disk_gets_it_too(tmp_path: Path) -> None:
    asked: list[bool] = []

    def make_room() -> bool:
        asked.append(True)
        index._connection.execute("PRAGMA max_page_count = 100000")
        return True

    index = Index(tmp_path, make_room=make_room)
    (pages,) = index._connection.execute("PRAGMA page_count").fetchone()
    index._connection.execute(f"PRAGMA max_page_count = {pages}")
    for number in range(200):
        file_id = f"01a1fc2c-de53-7000-8293-{number:012x}"
        index.put([Document(attributes(file_id=file_id), "a" * 200)])
    assert asked == [True]
    assert not index._gap
    (files,) = index._connection.execute("SELECT count(*) FROM files").fetchone()
    assert files == 200
    index.close()
