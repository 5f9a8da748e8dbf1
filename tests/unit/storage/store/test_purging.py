"""Destroying a file: whole or gone at every cut, known for ever, and nobody else's."""

from __future__ import annotations

import contextlib
import errno
import json
import random
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.model.errors import FileDeleted, StorageFull, StorageUnavailable
from services.model.feed import Destroyed
from services.model.files import FileStatus
from services.model.ids import FileId
from services.model.paging import PageRequest
from services.storage.domain.documents import Document
from services.storage.store.element import Element
from tests.doubles.disks import SKIPPED, Call, PowerCut, StrictDisk, WatchedDisk
from tests.support.storage_store import content_of, opened, store
from tests.unit.storage.samples import FILE_ID, OTHER_ID, attributes
from tests.unit.storage.store.test_power_cuts import LUCKS, ROOT

DATA, KEPT = b"gone" * 1000, b"kept" * 1000
NOW = datetime(2026, 11, 21, 3, 40, tzinfo=UTC)
LOG = "destroyed/2026/11.jsonl"


def line_of(document: Document) -> Destroyed:
    file = document.attributes
    return Destroyed(file.file_id, file.size, file.sha256, FileStatus.DELETED, file.uploaded_by, NOW, NOW)


async def base(folder: Path) -> StrictDisk:
    """Two files of the same hour; one is about to be destroyed."""
    disk = StrictDisk(ROOT)
    async with opened(folder, fs=disk, data_dir=ROOT) as element:
        await store(element.files, attributes(), DATA)
        await store(element.files, attributes(file_id=OTHER_ID), KEPT)
    return disk.copy()


def mentioned(disk: StrictDisk, file_id: FileId) -> list[str]:
    return [path for path in disk.paths() if file_id in path]


def logged(disk: StrictDisk) -> list[str]:
    text = disk.paths().get(LOG, b"").decode()
    return [json.loads(line)["file_id"] for line in text.split("\n")[:-1] if line.endswith("}")]


async def destroyed_or_whole(element: Element, disk: StrictDisk) -> bool:
    """Whether the file is gone; if it is not, it is whole."""
    assert await content_of(element.files, (await element.files.find(OTHER_ID)).attributes) == KEPT
    listed = {each.file_id for each in (await element.files.page(None, PageRequest())).items}
    try:
        document = await element.files.find(FILE_ID)
    except FileDeleted:
        assert mentioned(disk, FILE_ID) == [], "nothing of it is left"
        assert FILE_ID in logged(disk)
        assert listed == {OTHER_ID}
        assert element.files.usage().used == len(KEPT)
        return True
    assert await content_of(element.files, document.attributes) == DATA
    assert listed == {FILE_ID, OTHER_ID}
    return False


async def run(
    start: Path, disk: StrictDisk, number: int, tmp: Path, skip: int | None = None
) -> tuple[StrictDisk, bool]:
    """Cut a purge after so many calls. What is left, and whether it was answered; its index stays in `tmp`."""
    watched, answered = WatchedDisk(disk.copy()), False
    shutil.rmtree(tmp, ignore_errors=True)
    shutil.copytree(start, tmp / "index-parent")
    with contextlib.suppress(PowerCut):
        async with opened(tmp / "index-parent", fs=watched, data_dir=ROOT) as element:
            first = len(watched.calls)

            def count(call: Call) -> object:
                at = len(watched.calls) - first - 1
                if at >= number:
                    raise PowerCut
                return SKIPPED if at == skip else None

            watched.before = count
            try:
                answered = await element.files.destroy(FILE_ID, line_of) is not None
            finally:
                shutil.copytree(tmp / "index-parent", tmp / "left")
                watched.cut_after(0)
    assert isinstance(watched.inner, StrictDisk)
    return watched.inner, answered


async def calls_of(start: Path, disk: StrictDisk, tmp: Path) -> list[Call]:
    shutil.copytree(start, tmp)
    watched = WatchedDisk(disk.copy())
    async with opened(tmp, fs=watched, data_dir=ROOT) as element:
        first = len(watched.calls)
        assert await element.files.destroy(FILE_ID, line_of)
        return watched.calls[first:]


async def after(left: StrictDisk, luck: random.Random | None, tmp: Path) -> tuple[bool, StrictDisk]:
    """Whether the file is gone after a restart on what the cut left; a second start must change nothing."""
    disk, fates = left.crash(luck), list[bool]()
    for attempt in (1, 2):
        folder = tmp / f"again-{attempt}"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(tmp / "left", folder)
        async with opened(folder, fs=disk, data_dir=ROOT) as element:
            fates.append(await destroyed_or_whole(element, disk))
    gone, again = fates
    assert gone == again
    assert not [path for path in disk.paths() if path.startswith("incoming/")]
    return gone, disk


async def test_a_power_cut_at_any_call_leaves_the_file_whole_or_gone_and_known(tmp_path: Path) -> None:
    start = tmp_path / "start"
    disk = await base(start)
    total = len(await calls_of(start, disk, tmp_path / "calls"))
    assert total >= 12, "there is something to cut"
    fates = set()
    for number in range(total + 1):
        left, answered = await run(start, disk, number, tmp_path / "run")
        assert answered == (number == total)
        for luck in LUCKS:
            gone, _ = await after(left, luck, tmp_path / "run")
            fates.add(gone)
            assert gone or not answered, "what was answered has happened"
    assert fates == {True, False}


async def test_each_single_sync_of_a_purge_is_needed_and_its_absence_noticed(tmp_path: Path) -> None:
    start = tmp_path / "start"
    disk = await base(start)
    calls = await calls_of(start, disk, tmp_path / "calls")
    for skip in (number for number, call in enumerate(calls) if call.name == "fsync"):
        assert await _noticed(start, disk, len(calls), skip, tmp_path / "run"), f"nobody noticed call {skip}: {calls}"


async def _noticed(start: Path, disk: StrictDisk, total: int, skip: int, tmp: Path) -> bool:
    for number in range(total, skip, -1):
        left, answered = await run(start, disk, number, tmp, skip)
        for luck in (None, *(random.Random(seed) for seed in range(20))):  # noqa: S311 - luck
            try:
                gone, _ = await after(left, luck, tmp)
                assert gone or not answered
            except AssertionError:
                return True
            except Exception:  # noqa: BLE001 - the store itself notices
                return True
    return False


async def test_what_was_destroyed_never_comes_back(tmp_path: Path) -> None:
    async with opened(tmp_path) as element:
        await store(element.files, attributes(), DATA)
        assert await element.files.destroy(FILE_ID, lambda document: None) is None
        assert await content_of(element.files, attributes()) == DATA
        line = await element.files.destroy(FILE_ID, line_of)
        assert line is not None
        with pytest.raises(FileDeleted):
            await element.files.find(FILE_ID)
        with pytest.raises(FileDeleted):
            await element.files.change(FILE_ID, lambda document: document.attributes)
        with pytest.raises(FileDeleted):
            await element.files.destroy(FILE_ID, line_of)
        with pytest.raises(FileDeleted):
            await store(element.files, attributes(), DATA)
    shutil.rmtree(tmp_path / "index")
    async with opened(tmp_path, indexed=False) as element:
        with pytest.raises(FileDeleted):
            await element.files.find(FILE_ID)
        with pytest.raises(FileDeleted):
            await store(element.files, attributes(), DATA)
        await element.rebuild()
        with pytest.raises(FileDeleted):
            await element.files.find(FILE_ID)
    text = (tmp_path / "data" / LOG).read_text()
    assert json.loads(text) == {
        "file_id": FILE_ID, "size": len(DATA), "sha256": line.sha256, "why": "deleted", "by": "anna",
        "ended_at": "2026-11-21T03:40:00.000Z", "destroyed_at": "2026-11-21T03:40:00.000Z",
    }  # fmt: skip


async def test_a_line_cut_by_a_crash_does_not_spoil_the_next(tmp_path: Path) -> None:
    async with opened(tmp_path) as element:
        await store(element.files, attributes(), DATA)
        log = tmp_path / "data" / LOG
        log.parent.mkdir(parents=True)
        log.write_text('{"file_id":"01a1')
        await element.files.destroy(FILE_ID, line_of)
        torn, line, end = log.read_text().split("\n")
    assert (torn, end) == ('{"file_id":"01a1', "")
    assert json.loads(line)["file_id"] == FILE_ID
    shutil.rmtree(tmp_path / "index")
    async with opened(tmp_path) as element:
        with pytest.raises(FileDeleted):
            await element.files.find(FILE_ID)


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC])
async def test_an_error_at_any_call_destroys_nothing_by_halves(tmp_path: Path, code: int) -> None:
    start = tmp_path / "start"
    disk = await base(start)
    total = len(await calls_of(start, disk, tmp_path / "calls"))
    for number in range(total):
        folder = tmp_path / f"error-{number}"
        shutil.copytree(start, folder)
        watched = WatchedDisk(disk.copy())
        async with opened(folder, fs=watched, data_dir=ROOT) as element:
            watched.fail_at(number, code)
            with contextlib.suppress(StorageFull, StorageUnavailable):
                await element.files.destroy(FILE_ID, line_of)
            watched.well()
        assert isinstance(watched.inner, StrictDisk)
        async with opened(folder, fs=watched.inner, data_dir=ROOT) as element:
            await destroyed_or_whole(element, watched.inner)
