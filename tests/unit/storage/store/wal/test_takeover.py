"""Starting on what a killed process left: nothing is scanned, nothing that existed before is removed."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path

import pytest

from services.model.errors import NotFound, StorageUnavailable
from services.model.files import FileAttributes
from services.model.paging import PageRequest
from services.storage.ports import Files
from services.storage.store.element import Element
from services.storage.store.refusal import ElementRefused
from tests.doubles.disks import Call, PowerCut, StrictDisk, WatchedDisk
from tests.doubles.documents import new_id
from tests.support.storage_store import content_of, opened, store
from tests.unit.storage.samples import FILE_ID, OTHER_ID, attributes

ROOT = Path("/strict/data")


async def listed(element: Element) -> list[str]:
    return [each.file_id for each in (await element.files.page(None, PageRequest(limit=100))).items]


async def test_a_start_after_a_kill_does_not_scan_and_knows_everything(memory: Path) -> None:
    stored: list[FileAttributes] = []

    async def many(files: Files) -> None:
        # Several segments.
        stored.extend([await store(files, attributes(file_id=new_id()), b"x" * n) for n in range(60)])
        await files.change(stored[0].file_id, lambda d: replace(d.attributes, description="new", revision=2))
        await store(files, attributes(), b"open")

    disk = StrictDisk(ROOT)
    renames = 0
    first = WatchedDisk(disk)
    with contextlib.suppress(PowerCut):
        async with opened(memory / "one", fs=first, data_dir=ROOT) as element:

            def kill(call: Call) -> None:
                nonlocal renames
                renames += call.name == "rename"
                if renames == 61 * 2 + 1:  # the attributes of the last one
                    raise PowerCut

            first.before = kill
            await many(element.files)
    again = WatchedDisk(disk.copy())
    async with opened(memory / "one", fs=again, data_dir=ROOT, indexed=False) as element:
        await element.check_index()
        scanned = [str(call) for call in again.calls if call.name == "entries" and "/files" in str(call)]
        assert scanned == []
        assert sorted(await listed(element)) == sorted(each.file_id for each in stored)
        assert (await element.files.find(stored[0].file_id)).attributes.description == "new"
        with pytest.raises(NotFound):
            await element.files.find(FILE_ID)


async def test_an_index_that_was_left_behind_is_brought_up_to_date(memory: Path) -> None:
    disk = StrictDisk(ROOT)
    async with opened(memory, fs=disk, data_dir=ROOT) as element:
        await store(element.files, attributes(), b"one")
        index = element._parts.index
        put, index.put = index.put, lambda *_, **__: None  # type: ignore[method-assign]
        await store(element.files, attributes(file_id=OTHER_ID), b"two")
        index.put = put  # type: ignore[method-assign]
        await element.files.change(FILE_ID, lambda d: replace(d.attributes, description="new", revision=2))
        with index._lock:  # as if a power cut had taken the rows and the number together
            index._connection.execute("UPDATE about SET value = value - 2 WHERE name = 'applied'")
    async with opened(memory, fs=disk.copy(), data_dir=ROOT, indexed=False) as element:
        await element.check_index()
        assert sorted(await listed(element)) == sorted([FILE_ID, OTHER_ID])


async def test_a_create_cut_off_before_its_attributes_is_removed_and_what_was_there_stays(memory: Path) -> None:
    disk = StrictDisk(ROOT)
    async with opened(memory, fs=disk, data_dir=ROOT) as element:
        await store(element.files, attributes(), b"first")
    [attr] = [path for path in disk.paths() if path.endswith(".attr.json")]
    disk.unlink(ROOT / attr)  # an orphan now, and not of our making
    orphan = attr.removesuffix(".attr.json")
    renames = 0
    watched = WatchedDisk(disk.copy())
    with contextlib.suppress(PowerCut):
        async with opened(memory / "new", fs=watched, data_dir=ROOT) as element:

            def kill(call: Call) -> None:
                nonlocal renames
                renames += call.name == "rename"
                if renames == 2:
                    raise PowerCut

            watched.before = kill
            await store(element.files, attributes(), b"second")
    assert isinstance(watched.inner, StrictDisk)
    assert len([path for path in watched.inner.paths() if path.startswith("files/")]) == 2
    disk = watched.inner.copy()
    async with opened(memory / "new", fs=disk, data_dir=ROOT) as element:
        with pytest.raises(NotFound):
            await element.files.find(FILE_ID)
    assert {path: data for path, data in disk.paths().items() if path.startswith("files/")} == {orphan: b"first"}


def flipped(disk: StrictDisk, offset: int) -> StrictDisk:
    """The same disk, one bit of the newest segment changed."""
    path = max(path for path in disk.paths() if path.endswith(".seg"))
    copy = disk.copy()
    file = copy._file(copy.open(ROOT / path, 0))
    file.data[offset] ^= 1
    return copy.copy()


async def test_a_damaged_journal_is_served_from_and_not_written_until_it_is_set_aside(memory: Path) -> None:
    disk = StrictDisk(ROOT)
    async with opened(memory, fs=disk, data_dir=ROOT) as element:
        stored = await store(element.files, attributes(), b"one")
        uuid = element.identity.element_uuid
    damaged = flipped(disk, 40)
    async with opened(memory, fs=damaged, data_dir=ROOT) as element:
        assert await content_of(element.files, stored) == b"one"
        assert await listed(element) == [FILE_ID]
        assert not element.files.writable
        with pytest.raises(StorageUnavailable, match=f"SE_WAL_RESET={uuid}"):
            await element.check_wal()
        with pytest.raises(StorageUnavailable):
            await store(element.files, attributes(file_id=OTHER_ID), b"two")
        with pytest.raises(StorageUnavailable):
            await element.files.change(FILE_ID, lambda d: replace(d.attributes, revision=2))
    with pytest.raises(ElementRefused, match="another-element"):
        async with opened(memory, fs=damaged, data_dir=ROOT, wal_reset="another-element"):
            pass
    async with opened(memory, fs=damaged, data_dir=ROOT, wal_reset=uuid, indexed=False) as element:
        with pytest.raises(StorageUnavailable):
            await element.check_index()  # made anew
        await element.rebuild()
        assert await content_of(element.files, stored) == b"one"
        await store(element.files, attributes(file_id=OTHER_ID), b"two")
    assert any("set-aside" in path for path in damaged.paths())
    async with opened(memory, fs=damaged, data_dir=ROOT, wal_reset=uuid, indexed=False) as element:
        await element.check_index()  # a setting that was forgotten does nothing
        assert sorted(await listed(element)) == sorted([FILE_ID, OTHER_ID])


async def test_a_journal_that_was_lost_makes_the_index_anew(memory: Path) -> None:
    async with opened(memory, wal_dir=memory / "wal") as element:
        await store(element.files, attributes(), b"one")
    (memory / "wal").rename(memory / "lost")
    async with opened(memory, wal_dir=memory / "wal", indexed=False) as element:
        with pytest.raises(StorageUnavailable):
            await element.check_index()
        await element.rebuild()
        assert await listed(element) == [FILE_ID]


async def test_the_journal_of_another_element_is_refused(memory: Path) -> None:
    async with opened(memory / "a", wal_dir=memory / "wal"):
        pass
    for _ in range(2):  # the second time it is no longer newer than the directory
        with pytest.raises(ElementRefused, match="SE_WAL_DIR"):
            async with opened(memory / "b", wal_dir=memory / "wal"):
                pass


async def test_journals_of_earlier_epochs_go_once_they_are_not_needed(memory: Path) -> None:
    for _ in range(4):
        async with opened(memory) as element:
            await store(element.files, attributes(file_id=new_id()), b"x")
    assert [path.name for path in (memory / "data/.wal").iterdir()] == ["0000000004"]
    head = (memory / "data/.wal/0000000004/0000000001.seg").read_bytes()[20:]
    assert head.startswith(b'[{"r":"head",'), "it can be read with the eye"
    assert b'"epoch":4,"segment":1,' in head[:200]
