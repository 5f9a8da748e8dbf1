from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from services.model.elements import Mode
from services.model.errors import (
    ArtStoreError,
    ChecksumMismatch,
    Conflict,
    FileTooLarge,
    ModeNotAllowed,
    NotFound,
    RateLimited,
    StorageFull,
    ValidationFailed,
)
from services.model.files import NewFile, RetentionPolicy, UploadCommit
from services.model.ids import FileId, Subject, UploadId
from services.model.uploads import UploadState
from services.storage.ports import Bytes
from services.storage.usecases.finishing import Finishing
from services.storage.usecases.mode_gate import ModeGate
from services.storage.usecases.resumable_uploads import (
    AbortUpload,
    AppendUpload,
    CompleteUpload,
    CreateUpload,
    ExpireUploads,
    GetUpload,
    OpenUploads,
)
from tests.doubles.clock import FakeClock
from tests.doubles.storage_files import MemoryFiles
from tests.doubles.storage_uploads import MemoryUploads
from tests.unit.storage.samples import ANNA, FILE_ID, OTHER_ID, new_file
from tests.unit.storage.usecases.conftest import become, mode_state

ID = UploadId(FILE_ID)
MOST = 100
EXPIRY = timedelta(hours=1)


class Ground:
    """The use cases on one element in memory."""

    def __init__(self, gate: ModeGate, files: MemoryFiles, clock: FakeClock, finishing: Finishing) -> None:
        self.uploads, self.files, self.clock, self.gate = MemoryUploads(files), files, clock, gate
        opened = OpenUploads(uploads=self.uploads, clock=clock, expiry=EXPIRY, most=2)
        self.create = CreateUpload(gate=gate, open_uploads=opened, clock=clock, finishing=finishing, max_file_size=MOST)
        self._append = AppendUpload(gate=gate, open_uploads=opened, finishing=finishing, max_file_size=MOST)
        self.get = GetUpload(open_uploads=opened)
        self.complete = CompleteUpload(gate=gate, open_uploads=opened, files=files, clock=clock, finishing=finishing)
        self.abort = AbortUpload(open_uploads=opened, finishing=finishing)
        self.expire = ExpireUploads(open_uploads=opened, clock=clock, finishing=finishing)
        self.accepted = 0

    async def begin(self, new: NewFile | None = None) -> UploadState:
        return await self.create(new or new_file(), by=ANNA)

    async def append(self, offset: int, *frames: Bytes | int) -> UploadState:
        return await self.stream(offset, self._frames(frames))

    async def stream(self, offset: int, frames: AsyncIterator[Bytes | int]) -> UploadState:
        return await self._append(ID, offset, frames, by=ANNA, accepted=self._accept)

    async def _frames(self, frames: tuple[Bytes | int, ...]) -> AsyncIterator[Bytes | int]:
        for frame in frames:
            yield frame

    async def _accept(self) -> None:
        self.accepted += 1


@pytest.fixture
def ground(gate: ModeGate, files: MemoryFiles, clock: FakeClock, finishing: Finishing) -> Ground:
    return Ground(gate, files, clock, finishing)


async def test_parts_make_a_file(ground: Ground) -> None:
    await ground.begin()
    assert (await ground.append(0, b"abc", 3)).offset == 3
    assert (await ground.append(3, b"de", memoryview(b"f"), 3)).offset == 6
    file = await ground.complete(ID, UploadCommit(6), by=ANNA)
    assert (file.file_id, file.size, file.uploaded_by) == (FILE_ID, 6, ANNA)
    assert ground.files.bytes == {FILE_ID: b"abcdef"}
    assert (await ground.get(ID, by=ANNA)).completed


@pytest.mark.parametrize(
    ("new", "error"),
    [
        (new_file(file_id=None), ValidationFailed),
        (new_file(declared_size=MOST + 1), FileTooLarge),
        (new_file(retention_policy=RetentionPolicy.PERMANENT), ModeNotAllowed),
    ],
)
async def test_a_bad_beginning_is_refused(ground: Ground, new: NewFile, error: type[ArtStoreError]) -> None:
    with pytest.raises(error):
        await ground.begin(new)
    assert ground.uploads.known() == []


async def test_only_so_many_may_be_open_and_completed_ones_do_not_count(ground: Ground) -> None:
    third = FileId("01a1fc2c-de66-7086-91e3-b707ee2ab5d7")
    await ground.begin()
    await ground.begin(new_file(file_id=OTHER_ID))
    assert (await ground.begin()).upload_id == ID, "one that is known is no further one"
    with pytest.raises(RateLimited):
        await ground.begin(new_file(file_id=third))
    await ground.complete(ID, UploadCommit(0), by=ANNA)
    await ground.begin(new_file(file_id=third))


async def test_another_offset_is_refused_before_any_byte(ground: Ground) -> None:
    await ground.begin()
    with pytest.raises(Conflict):
        await ground.append(1, b"abc")
    assert ground.accepted == 0


@pytest.mark.parametrize(
    ("new", "frames", "kept", "error"),
    [
        (new_file(), [b"x" * 60, b"x" * 60], 60, FileTooLarge),
        (new_file(declared_size=5), [b"abc", b"def"], 3, ChecksumMismatch),
        (new_file(), [b"abc", 4], 3, ChecksumMismatch),
        (new_file(), [b"abc", 2], 3, ChecksumMismatch),
    ],
    ids=["too large", "more than declared", "less than sent", "more than sent"],
)
async def test_what_is_wrong_is_told_and_what_came_before_is_kept(
    ground: Ground, new: NewFile, frames: list[Bytes | int], kept: int, error: type[ArtStoreError]
) -> None:
    await ground.begin(new)
    with pytest.raises(error):
        await ground.append(0, *frames)
    assert (await ground.get(ID, by=ANNA)).offset == kept


async def test_a_full_disk_keeps_what_was_acknowledged(ground: Ground) -> None:
    await ground.begin()
    await ground.append(0, b"abc")
    ground.files._free = 2
    with pytest.raises(StorageFull):
        await ground.append(3, b"def")
    assert (await ground.get(ID, by=ANNA)).offset == 3


async def test_a_newer_appender_interrupts_the_older_one_and_awaits_it(ground: Ground) -> None:
    await ground.begin()
    silent = asyncio.Event()

    async def then_silence() -> AsyncIterator[Bytes | int]:
        yield b"abc"
        silent.set()
        await asyncio.Event().wait()

    older = asyncio.create_task(ground.stream(0, then_silence()))
    await silent.wait()
    newer = asyncio.create_task(ground.append(3, b"def", 3))
    with pytest.raises(Conflict, match="another call"):
        await older
    assert (await newer).offset == 6
    assert ground.uploads.bytes[ID] == b"abcdef"


async def test_of_many_newer_ones_the_newest_goes_on(ground: Ground) -> None:
    await ground.begin()
    results = await asyncio.gather(*(ground.append(0, bytes([n]) * 9) for n in range(10)), return_exceptions=True)
    assert all(isinstance(each, Conflict) for each in results[:-1])
    assert isinstance(results[-1], UploadState)
    assert ground.uploads.bytes[ID] == bytes([9]) * 9


async def test_a_caller_that_leaves_has_what_came_kept(ground: Ground) -> None:
    await ground.begin()
    silent = asyncio.Event()

    async def then_silence() -> AsyncIterator[Bytes | int]:
        yield b"abc"
        silent.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(ground.stream(0, then_silence()))
    await silent.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await ground.get(ID, by=ANNA)).offset == 3


async def test_a_completion_interrupts_who_appends_and_is_interrupted_by_nobody(ground: Ground) -> None:
    await ground.begin()
    await ground.append(0, b"abc")
    ground.files.commits.clear()
    completing = asyncio.create_task(ground.complete(ID, UploadCommit(3), by=ANNA))
    await ground.files.committing.wait()
    appending = asyncio.create_task(ground.append(3, b"x"))
    await asyncio.sleep(0)
    ground.files.commits.set()
    assert (await completing).size == 3
    with pytest.raises(Conflict, match="completed"):
        await appending


async def test_a_completion_whose_caller_leaves_runs_to_its_end(ground: Ground, finishing: Finishing) -> None:
    await ground.begin()
    await ground.append(0, b"abc")
    ground.files.commits.clear()
    completing = asyncio.create_task(ground.complete(ID, UploadCommit(3), by=ANNA))
    await ground.files.committing.wait()
    completing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await completing
    ground.files.commits.set()
    await finishing.ended()
    assert ground.files.bytes == {FILE_ID: b"abc"}


@pytest.mark.parametrize("mode", [Mode.RO, Mode.AR, Mode.RW])
async def test_the_mode_is_looked_at_again_at_completion(ground: Ground, mode: Mode) -> None:
    await ground.begin()
    await ground.append(0, b"abc")
    await become(ground.gate, mode_state(mode))
    with pytest.raises(ModeNotAllowed):
        await ground.complete(ID, UploadCommit(3), by=ANNA)
    assert ground.files.documents == {}
    assert (await ground.get(ID, by=ANNA)).offset == 3


async def test_an_upload_ends_at_its_instant_and_goes_with_the_next_pass(ground: Ground) -> None:
    await ground.begin()
    ground.clock.advance(EXPIRY - timedelta(seconds=1))
    assert await ground.expire() == 0
    await ground.append(0, b"abc")  # whoever goes on has time again
    ground.clock.advance(EXPIRY - timedelta(seconds=1))
    assert (await ground.get(ID, by=ANNA)).offset == 3
    ground.clock.advance(timedelta(seconds=1))
    for asked in (ground.get(ID, by=ANNA), ground.append(3, b"x"), ground.complete(ID, UploadCommit(3), by=ANNA)):
        with pytest.raises(NotFound):
            await asked
    assert await ground.expire() == 1
    assert ground.uploads.known() == []


async def test_only_who_began_it_goes_on(ground: Ground) -> None:
    await ground.begin()
    with pytest.raises(ArtStoreError, match="somebody else"):
        await ground.get(ID, by=Subject("boris"))


async def test_who_is_cut_off_twice_leaves_only_when_what_it_had_is_acknowledged(finishing: Finishing) -> None:
    """Cut off by its connection, and by the call that goes on: what is written stays open until it is written."""
    go_on, ended = asyncio.Event(), asyncio.Event()

    async def acknowledge() -> None:
        await go_on.wait()
        ended.set()

    task = asyncio.create_task(finishing.to_its_end(acknowledge()))
    for _ in range(3):
        await asyncio.sleep(0)
        task.cancel()
    await asyncio.sleep(0)
    assert not task.done()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()


async def test_an_upload_that_somebody_adds_to_does_not_expire(ground: Ground) -> None:
    await ground.begin()
    taken, go_on = asyncio.Event(), asyncio.Event()

    async def slowly() -> AsyncIterator[Bytes | int]:
        yield b"abc"
        taken.set()
        await go_on.wait()
        yield 3

    sending = asyncio.create_task(ground.stream(0, slowly()))
    await taken.wait()
    ground.clock.advance(2 * EXPIRY.total_seconds())
    assert await ground.expire() == 0
    go_on.set()
    assert (await sending).offset == 3
    ground.clock.advance(EXPIRY.total_seconds() - 1)
    assert await ground.expire() == 0, "its time counts from the end of what came"
