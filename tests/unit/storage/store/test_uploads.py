"""Resumable uploads on the disk: the power goes, and the disk fails, at each single call.

What was acknowledged of an upload is there afterwards and nothing else; its file is wholly there or wholly absent.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from services.model.errors import ArtStoreError, NotFound, StorageFull, StorageUnavailable
from services.model.files import FileAttributes
from services.model.ids import UploadId
from services.storage.domain.resumable import OpenUpload, encode
from services.storage.store.element import Element
from services.storage.store.uploading import ElementUploads
from tests.doubles.disks import SKIPPED, Call, PowerCut, StrictDisk, WatchedDisk, every_luck
from tests.support.power_cuts import Everything, _copied, worth_cutting
from tests.support.storage_store import content_of, opened
from tests.unit.storage.samples import ANNA, FILE_ID, NOW, attributes, new_file

ROOT = Path("/strict/data")
FIRST, SECOND = b"first" * 1000, b"second" * 1000
CONTENT = FIRST + SECOND
ID = UploadId(FILE_ID)
END = NOW + timedelta(days=1)
NEW = OpenUpload(new_file(declared_size=len(CONTENT)), ANNA, END)
LUCKS: list[random.Random | None] = [None, Everything(), random.Random(1)]  # noqa: S311 - luck


class Run:
    """Steps of one upload, and what was acknowledged of them."""

    def __init__(self, *steps: str) -> None:
        self.steps = steps
        self.acknowledged = -1
        """Bytes; -1: not even the beginning."""
        self.file: FileAttributes | None = None
        self.removed = False

    async def __call__(self, element: Element) -> None:
        uploads = element.uploads
        for step in self.steps:
            if step == "create":
                await uploads.create(NEW)
                self.acknowledged = 0
            elif step == "complete":
                self.file = await complete(uploads)
            elif step == "remove":
                await uploads.remove(uploads.get(ID))
                self.removed = True
            else:
                await append(uploads, FIRST if step == "first" else SECOND)
                self.acknowledged = uploads.get(ID).offset


async def append(uploads: ElementUploads, data: bytes) -> None:
    async with uploads.append(uploads.get(ID), expires_at=lambda: END) as part:
        await part.write(data)
        await part.acknowledge()


async def complete(uploads: ElementUploads) -> FileAttributes:
    upload = uploads.get(ID)
    sha256 = await uploads.digest(upload)
    return await uploads.complete(upload, attributes(size=upload.offset, sha256=sha256), expires_at=END)


@asynccontextmanager
async def element_on(folder: Path, disk: StrictDisk | WatchedDisk) -> AsyncIterator[Element]:
    async with opened(folder, fs=disk, data_dir=ROOT) as element:
        yield element


async def base(folder: Path, *steps: str) -> StrictDisk:
    """An element that has taken these steps and was closed."""
    disk = StrictDisk(ROOT)
    async with element_on(folder, disk) as element:
        await Run(*steps)(element)
    return disk.copy()


async def calls_of(start: Path, disk: StrictDisk, run: Run) -> list[Call]:
    watched = WatchedDisk(disk.copy())
    async with element_on(_copied(start), watched) as element:
        first = len(watched.calls)
        await run(element)
        return watched.calls[first:]


async def cut(start: Path, disk: StrictDisk, run: Run, calls: int, skip: int | None = None) -> StrictDisk:
    """Take steps, and let the power go after so many calls; the disk as it was then."""
    watched = WatchedDisk(disk.copy())
    with contextlib.suppress(PowerCut):
        async with element_on(_copied(start), watched) as element:
            first = len(watched.calls)

            def count(call: Call) -> object:
                number = len(watched.calls) - first - 1
                if number >= calls:
                    raise PowerCut
                return SKIPPED if number == skip else None

            watched.before = count
            try:
                await run(element)
            finally:
                watched.cut_after(0)
    assert isinstance(watched.inner, StrictDisk)
    return watched.inner


async def check(disk: StrictDisk, folder: Path, run: Run, before: int) -> None:
    """Restart; what was acknowledged is there, and the upload can be gone on with to its end."""
    async with element_on(folder, disk) as element:
        uploads, promised = element.uploads, 0
        there = await served(element)
        assert run.file is None or there == (run.file, CONTENT)
        assert there is None or there[1] == CONTENT
        try:
            upload = uploads.get(ID)
        except NotFound:
            assert run.removed or "remove" in run.steps or max(run.acknowledged, before) < 0
            return
        assert not run.removed
        assert upload.offset >= max(run.acknowledged, before)
        if not upload.completed:
            part = disk.paths().get(f"uploads/{ID}.part", b"")
            assert part[: upload.offset] == CONTENT[: upload.offset]
            assert len(part) == upload.offset or not upload.offset, "it is cut to what was acknowledged"
            promised = len(CONTENT) - upload.offset
            assert (await element.files.room()).promised == promised
            if upload.offset < len(CONTENT):
                await append(uploads, CONTENT[upload.offset :])
        file = await complete(uploads) if not upload.completed else (await element.files.find(FILE_ID)).attributes
        assert there is None or file == there[0]
        assert await content_of(element.files, file) == CONTENT
        assert (await element.files.room()).promised == 0
    async with element_on(folder.with_name(folder.name + "-again"), disk) as element:
        assert await served(element) == (file, CONTENT)
        assert not [path for path in disk.paths() if path.startswith("incoming/")]


async def served(element: Element) -> tuple[FileAttributes, bytes] | None:
    try:
        document = await element.files.find(FILE_ID)
    except NotFound:
        return None
    return document.attributes, await content_of(element.files, document.attributes)


CASES = [
    ((), ("create", "first", "second", "complete"), -1),
    (("create", "first"), ("second", "complete"), len(FIRST)),
    (("create", "first"), ("remove",), len(FIRST)),
]
"""Steps before, steps during which the power goes, and what was acknowledged of the first."""


@pytest.mark.parametrize(("before", "steps", "acknowledged"), CASES)
async def test_a_power_cut_at_any_call_loses_nothing_that_was_acknowledged(
    before: tuple[str, ...], steps: tuple[str, ...], acknowledged: int, memory: Path
) -> None:
    start = memory / "start"
    disk = await base(start, *before)
    calls = await calls_of(start, disk, Run(*steps))
    assert len(calls) >= 5
    for number in worth_cutting(calls):
        run = Run(*steps)
        left = await cut(start, disk, run, number)
        for n, luck in enumerate(LUCKS):
            await check(left.crash(luck), memory / f"at{number}-{n}", run, acknowledged)


async def test_each_single_sync_of_an_upload_is_needed_and_its_absence_noticed(memory: Path) -> None:
    """Those of the completion are the commit's: `test_power_cuts` watches over them."""
    start, steps = memory / "start", ("first", "second")
    disk = await base(start, "create")
    calls = await calls_of(start, disk, Run(*steps))
    syncs = [number for number, call in enumerate(calls) if call.name in ("fsync", "fdatasync")]
    unnoticed = [number for number in syncs if not await _noticed(start, disk, steps, number, calls, memory)]
    assert unnoticed == [], list(map(str, calls))


async def _noticed(
    start: Path, disk: StrictDisk, steps: tuple[str, ...], skip: int, calls: list[Call], memory: Path
) -> bool:
    for number in reversed([each for each in worth_cutting(calls) if each > skip]):
        run = Run(*steps)
        left = await cut(start, disk, run, number, skip)
        for n, luck in enumerate(every_luck()):
            try:
                await check(left.crash(luck), memory / f"skip{skip}-{number}-{n}", run, 0)
            except (AssertionError, ArtStoreError):
                return True
    return False


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
async def test_any_call_that_fails_leaves_what_was_acknowledged(code: int, memory: Path) -> None:
    start = memory / "start"
    disk = await base(start, "create", "first")
    calls = await calls_of(start, disk, Run("second", "complete"))
    for number, call in enumerate(calls):
        watched, run = WatchedDisk(disk.copy()), Run("second", "complete")
        async with element_on(_copied(start), watched) as element:
            watched.fail_at(number, code)
            refusal: ArtStoreError | None = None
            try:
                await run(element)
            except ArtStoreError as error:
                refusal = error
            watched.well()
            assert isinstance(refusal, StorageFull | StorageUnavailable | None), call
            assert refusal is None or element.files.writable == isinstance(refusal, StorageFull), call
            if isinstance(refusal, StorageFull):
                upload = element.uploads.get(ID)
                if upload.offset < len(CONTENT):
                    await append(element.uploads, CONTENT[upload.offset :])
                assert await content_of(element.files, await complete(element.uploads)) == CONTENT
                assert (await element.files.room()).promised == 0
        assert isinstance(watched.inner, StrictDisk)
        await check(watched.inner.crash(None), memory / f"at{number}", run, len(FIRST))


async def test_a_later_leadership_adds_to_a_part_of_its_own(tmp_path: Path) -> None:
    """One that was fenced off may still have the old one open, and writes to it what nobody acknowledged."""
    async with opened(tmp_path) as element:
        await Run("create", "first")(element)
        stale = (tmp_path / "data" / "uploads" / f"{ID}.part").open("r+b")
    with stale:
        async with opened(tmp_path) as element:
            await append(element.uploads, SECOND)
            stale.write(b"garbage")
            stale.flush()
            assert await content_of(element.files, await complete(element.uploads)) == CONTENT


async def test_bytes_that_are_a_file_already_are_never_added_to(memory: Path) -> None:
    """The power went between the commit and the note that the upload is completed; its sender does not know."""
    start = memory / "start"
    disk = await base(start, "create", "first")
    async with element_on(_copied(start), disk) as element:
        first = hashlib.sha256(FIRST).hexdigest()
        upload = element.uploads.get(ID)
        short = replace(upload, new=new_file())
        await element.uploads.complete(short, attributes(size=len(FIRST), sha256=first), expires_at=END)
    # The note as it was before.
    part = ROOT / "uploads" / f"{ID}.part"
    [data] = [path for path in disk.paths() if path.startswith("files/") and path.endswith(".pdf")]
    disk.link(ROOT / data, part)
    disk.unlink(ROOT / "uploads" / f"{ID}.json")
    record = disk.open(ROOT / "uploads" / f"{ID}.json", 0o101)
    disk.write(record, encode(replace(upload, epoch=1)))
    async with element_on(_copied(start), disk) as element:
        await append(element.uploads, SECOND)
        there = await served(element)
        assert there is not None
        assert there[1] == FIRST


async def test_what_cannot_be_trusted_stays_and_is_not_gone_on_with(memory: Path) -> None:
    start = memory / "start"
    disk = await base(start, "create", "first")
    record = disk.open(ROOT / "uploads" / f"{ID}.json", 0o1)
    disk.write(record, b"garbage")
    async with element_on(_copied(start), disk) as element:
        with pytest.raises(NotFound):
            element.uploads.get(ID)
    assert disk.paths()[f"uploads/{ID}.part"] == FIRST


async def test_a_disk_too_full_to_say_that_it_is_completed_leaves_the_file_alone(tmp_path: Path) -> None:
    """The part's name is still there, and what it names is the file."""
    disk = WatchedDisk(await base(tmp_path / "base", "create", "first", "second"))
    async with element_on(tmp_path / "full", disk) as element:

        def full(call: Call) -> None:
            if call.name == "open" and call.arguments[0].name.endswith(".upload.json"):
                raise OSError(errno.ENOSPC, "full")

        disk.before = full
        await complete(element.uploads)
        assert element.uploads.get(ID).completed
        assert f"uploads/{ID}.part" in disk.inner.paths()  # type: ignore[attr-defined]


async def test_an_expired_upload_that_is_begun_again_keeps_room_once(tmp_path: Path) -> None:
    async with element_on(tmp_path, StrictDisk(ROOT)) as element:
        await element.uploads.create(NEW)
        await element.uploads.create(NEW)
        assert (await element.files.room()).promised == len(CONTENT)
        await element.uploads.remove(element.uploads.get(ID))
        assert (await element.files.room()).promised == 0


async def test_an_expired_upload_stays_known_if_there_is_no_room_for_it_again(tmp_path: Path) -> None:
    async with element_on(tmp_path, StrictDisk(ROOT)) as element:
        await element.uploads.create(NEW)
        with pytest.raises(StorageFull):
            await element.uploads.create(OpenUpload(new_file(declared_size=1 << 60), ANNA, END))
        assert element.uploads.get(ID) == NEW
        assert (await element.files.room()).promised == len(CONTENT)
