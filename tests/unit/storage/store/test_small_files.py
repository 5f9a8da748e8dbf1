"""Batches of small files: the power goes, and the disk fails, at each single call; each file has its own outcome.

The batch is handed to a thread by hand: which files share one is otherwise a matter of time.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import random
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from services.model.errors import ArtStoreError, ChecksumMismatch, Conflict, NotFound, StorageFull, StorageUnavailable
from services.model.files import FileAttributes
from services.model.ids import FileId
from services.storage.domain.names import ATTRIBUTES_SUFFIX
from services.storage.ports import Files, Whole
from services.storage.store import batches
from services.storage.store.files import ElementFiles
from services.storage.store.fs import CREATE
from services.storage.store.small import SmallFile
from tests.doubles.disks import Call, StrictDisk, WatchedDisk, every_luck
from tests.support.power_cuts import (
    LATER_ID,
    LUCKS,
    OLD,
    ROOT,
    Outcome,
    State,
    _copied,
    base,
    calls_of,
    cut,
    history_of,
    kept,
    state,
    worth_cutting,
)
from tests.support.storage_store import opened
from tests.unit.storage.samples import FILE_ID, attributes

BESIDE_ID = FileId("01b20000-0000-7000-8000-000000000001")
"""In the folder of `LATER_ID`."""
ELSEWHERE_ID = FileId("01b30000-0000-7000-8000-000000000000")
BAD_ID = FileId("01b20000-0000-7000-8000-000000000002")
GOOD = {LATER_ID: b"new" * 1000, BESIDE_ID: b"beside", ELSEWHERE_ID: b"elsewhere"}
EVERY_ID = [FILE_ID, *GOOD, BAD_ID]
Answers = dict[FileId, FileAttributes | BaseException | None]
States = dict[FileId, State]


def small(file_id: FileId, content: bytes) -> SmallFile:
    """A file that is to be stored."""

    def decide(sha256: str) -> FileAttributes:
        assert sha256 == hashlib.sha256(content).hexdigest()
        return attributes(file_id=file_id, size=len(content), sha256=sha256)

    return SmallFile(file_id, content, decide)


def refuse(sha256: str) -> FileAttributes:
    raise ChecksumMismatch("not what was declared")


class Batch:
    """Three good files in two folders; one whose digest is wrong and one whose id is taken among them."""

    def __init__(self) -> None:
        self.answers: Answers = {}

    async def __call__(self, files: Files) -> FileAttributes:
        assert isinstance(files, ElementFiles)
        good = [small(*each) for each in GOOD.items()]
        batch = [good[0], SmallFile(BAD_ID, b"bad", refuse), good[1], small(FILE_ID, b"other"), good[2]]
        await files._parts.writes.run(files._parts.charge.writing.batch.create, batch)
        assert isinstance(batch[1].error, ChecksumMismatch | StorageUnavailable)
        assert isinstance(batch[3].error, Conflict | StorageUnavailable)
        self.answers = {each.file_id: each.error for each in good}
        self.answers |= {each.file_id: each.document.attributes for each in good if each.document is not None}
        for each in good:
            if each.error is not None:
                raise each.error
        assert good[0].document is not None
        return good[0].document.attributes


async def states_after(outcome: Outcome, luck: random.Random | None) -> States:
    """Restart on what the cut left; all files as they are served. A second start must change nothing."""
    disk = outcome.disk.crash(luck)
    if outcome.answer is not None:
        assert not history_of(disk).open
    async with opened(_copied(outcome.folder), fs=disk, data_dir=ROOT) as element:
        indexed = {each: (row := element._parts.index.get(each)) and row.revision for each in EVERY_ID}
        found = {each: await state(element, each) for each in EVERY_ID}
        assert indexed == {each: it and it[0].revision for each, it in found.items()}
        assert not [path for path in disk.paths() if path.startswith("incoming/")]
    before = kept(disk)
    alone = [path for path in before if path.startswith("files/") and not path.endswith(ATTRIBUTES_SUFFIX)]
    assert all(path + ATTRIBUTES_SUFFIX in before for path in alone)
    again = outcome.folder.with_name("again")
    async with opened(again, fs=disk, data_dir=ROOT) as element:
        assert {each: await state(element, each) for each in EVERY_ID} == found
    assert kept(disk) == before
    shutil.rmtree(again)
    return found


def check(found: States, old: FileAttributes, answers: Answers) -> None:
    """What was there stays, each new file is whole or absent, and each that was acknowledged is there."""
    assert found[FILE_ID] == (old, OLD)
    assert found[BAD_ID] is None
    for file_id, content in GOOD.items():
        there, answer = found[file_id], answers.get(file_id)
        assert there is None or there[1] == content
        assert not isinstance(answer, FileAttributes) or there == (answer, content)


async def test_a_power_cut_at_any_call_of_a_batch_leaves_every_file_whole_or_absent(memory: Path) -> None:
    start = memory / "start"
    disk, old = await base(start)
    calls = await calls_of(start, disk, Batch())
    for number in worth_cutting(calls):
        batch = Batch()
        outcome = await cut(start, disk, batch, number)
        assert (outcome.answer is not None) == (number == len(calls))
        for luck in LUCKS[:4]:
            check(await states_after(outcome, luck), old, batch.answers)
        shutil.rmtree(outcome.folder)


async def test_a_batch_begins_once_syncs_each_folder_once_and_is_committed_once(memory: Path) -> None:
    start = memory / "start"
    disk, _ = await base(start)
    calls = await calls_of(start, disk, Batch())
    names = [call.name for call in calls]
    renames = [number for number, name in enumerate(names) if name == "rename"]
    syncs = [number for number, name in enumerate(names) if name == "fdatasync"]
    assert len(renames) == 2 * len(GOOD)
    assert len(syncs) == 2, "one frame of the journal for all begins, one for all commits"
    assert syncs[0] < renames[0], "what begins is durable before anything changes"
    assert renames[-1] < syncs[1]
    assert names[renames[-1] : syncs[1]].count("fsync") == 2, "one for each of the two folders"
    created = [number for number, call in enumerate(calls) if call.name == "open" and call.arguments[1] == CREATE]
    assert names[created[-1] : syncs[0]].count("fsync") == 2 * len(GOOD), "all are written, then all are synced"


async def test_each_single_sync_of_a_batch_is_needed_and_its_absence_noticed(memory: Path) -> None:
    start = memory / "start"
    disk, old = await base(start)
    calls = await calls_of(start, disk, Batch())
    # Those before the last file is made are of new folders: `test_power_cuts` watches over them.
    last = max(number for number, call in enumerate(calls) if call.name == "open" and call.arguments[1] == CREATE)
    syncs = [number for number, call in enumerate(calls) if call.name in ("fsync", "fdatasync") and number > last]
    assert len(syncs) == 2 * len(GOOD) + 1 + 2 + 1
    for skip in syncs:
        assert await _noticed(start, disk, old, calls, skip), f"nobody noticed call {skip} of {list(map(str, calls))}"


async def _noticed(start: Path, disk: StrictDisk, old: FileAttributes, calls: list[Call], skip: int) -> bool:
    for number in reversed([each for each in worth_cutting(calls) if each > skip]):
        batch = Batch()
        outcome = await cut(start, disk, batch, number, skip)
        for luck in every_luck():
            try:
                check(await states_after(outcome, luck), old, batch.answers)
            except (AssertionError, ArtStoreError):
                return True
    return False


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
async def test_a_call_that_fails_is_the_fault_of_those_it_concerns(code: int, memory: Path) -> None:
    start = memory / "start"
    disk, old = await base(start)
    calls = await calls_of(start, disk, Batch())
    for number, call in enumerate(calls):
        watched, batch, refusal = WatchedDisk(disk.copy()), Batch(), None
        async with opened(_copied(start), fs=watched, data_dir=ROOT) as element:
            watched.fail_at(number, code)
            try:
                await batch(element.files)
            except ArtStoreError as error:
                refusal = error
            watched.well()
            errors = [each for each in batch.answers.values() if isinstance(each, BaseException)]
            assert all(isinstance(each, StorageFull | StorageUnavailable) for each in errors), call
            check({each: await state(element, each) for each in EVERY_ID}, old, batch.answers)
            assert (await element.files.room()).promised == 0
            if element.files.writable and call.name in ("open", "write", "exists", "space", "rename"):
                assert len(errors) <= (1 if code == errno.ENOSPC else 3), f"its neighbours are not at fault: {call}"
            if isinstance(refusal, StorageFull) and element.files.writable:
                assert not [path for path in _inner(watched).paths() if path.startswith("incoming/")]
                await batch(element.files)  # what failed is stored now, what did not is found
        check(await states_after(Outcome(_inner(watched), _copied(start), None), None), old, {})


def _inner(watched: WatchedDisk) -> StrictDisk:
    assert isinstance(watched.inner, StrictDisk)
    return watched.inner


@pytest.mark.parametrize(
    ("sizes", "fitting"),
    [([1], 1), ([1] * 40, batches.FILES), ([batches.BYTES * 2, 1], 1), ([1, batches.BYTES], 1), ([2 << 20] * 3, 2)],
)
def test_a_batch_has_a_bounded_number_of_files_and_bytes(sizes: list[int], fitting: int) -> None:
    files = [SmallFile(FILE_ID, bytes(size), refuse) for size in sizes]
    assert batches._fitting(files) == fitting


async def test_what_is_stored_in_a_batch_may_be_more_than_a_segment_of_the_journal_holds(tmp_path: Path) -> None:
    async with opened(tmp_path) as element:  # with segments of 16 KiB
        many = [small(FileId(f"01b20000-0000-7000-8000-{number:012}"), b"x") for number in range(batches.FILES)]
        await element._parts.writes.run(element._parts.charge.writing.batch.create, many)
        assert [each.error for each in many] == [None] * len(many)
    async with opened(tmp_path) as element:
        assert sum(element.files.usage().files.values()) == len(many)


async def test_a_file_of_a_revision_of_its_own_is_recovered_too(tmp_path: Path) -> None:
    async with opened(tmp_path) as element:
        content, sha256 = b"x", hashlib.sha256(b"x").hexdigest()
        decided = attributes(size=1, sha256=sha256, revision=7)
        stored = await element.files.store(Whole(FILE_ID, content, lambda _: decided))
        assert stored == replace(decided, epoch=stored.epoch)


async def test_a_file_that_somebody_is_busy_with_waits_and_keeps_no_other_waiting(tmp_path: Path) -> None:
    def whole(file_id: FileId) -> Whole:
        return Whole(file_id, b"x", lambda sha256: attributes(file_id=file_id, size=1, sha256=sha256))

    async with opened(tmp_path) as element:
        async with element.files.locks.hold(FILE_ID):
            storing = asyncio.create_task(element.files.store_all([whole(FILE_ID), whole(LATER_ID)]))
            async with asyncio.timeout(30):
                while element.files.usage().used == 0:  # noqa: ASYNC110 - nobody tells
                    await asyncio.sleep(0.005)
            assert (await element.files.find(LATER_ID)).attributes.size == 1
            with pytest.raises(NotFound):
                await element.files.find(FILE_ID)
            assert not storing.done()
        assert all(isinstance(each, FileAttributes) for each in await storing)
        assert (await element.files.find(FILE_ID)).attributes.size == 1
