from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from services.model.elements import Mode
from services.model.errors import (
    ArtStoreError,
    ChecksumMismatch,
    Conflict,
    FileDeleted,
    FileTooLarge,
    ModeNotAllowed,
    ValidationFailed,
)
from services.model.files import FileAttributes, FileStatus, RetentionPolicy, UploadCommit
from services.model.ids import Subject
from services.storage.domain.collecting import destruction
from services.storage.domain.importing import Imported
from services.storage.usecases.finishing import Finishing
from services.storage.usecases.import_file import Frame, ImportFile
from services.storage.usecases.mode_gate import ModeGate
from tests.doubles.clock import FakeClock
from tests.doubles.storage_files import EPOCH, MemoryFiles
from tests.unit.storage.samples import FILE_ID, NOW, attributes, new_file
from tests.unit.storage.usecases.conftest import become, mode_state

DATA = b"0123456789"
THERE = attributes(
    size=10, sha256=hashlib.sha256(DATA).hexdigest(), revision=5, epoch=99, uploaded_by=Subject("somebody else")
)
WELL = UploadCommit(10)


class Imports:
    """Sends frames to the use case."""

    def __init__(self, import_file: ImportFile) -> None:
        self._import_file = import_file
        self.accepted = 0

    async def __call__(self, *frames: object) -> FileAttributes:
        async def sent() -> AsyncIterator[Frame]:
            for frame in frames:
                yield frame  # type: ignore[misc]  # some are wrong on purpose

        return await self._import_file(sent(), accepted=self._accept)

    async def _accept(self) -> None:
        self.accepted += 1


@pytest.fixture
def take_over(gate: ModeGate, files: MemoryFiles, clock: FakeClock, finishing: Finishing) -> Imports:
    return Imports(ImportFile(gate=gate, files=files, clock=clock, finishing=finishing, max_file_size=100))


async def test_it_is_here_what_it_is_there(take_over: Imports, files: MemoryFiles) -> None:
    file = await take_over(Imported(THERE, {"holds": []}), DATA[:4], DATA[4:], WELL)
    assert file == replace(THERE, epoch=EPOCH)
    assert (files.bytes[FILE_ID], files.documents[FILE_ID].unknown) == (DATA, {"holds": []})


async def test_asking_again_gives_the_same_file(take_over: Imports) -> None:
    file = await take_over(Imported(THERE), DATA, WELL)
    assert await take_over(Imported(replace(THERE, description="later")), DATA, WELL) == file
    other = DATA[::-1]
    with pytest.raises(Conflict):
        await take_over(Imported(replace(THERE, sha256=hashlib.sha256(other).hexdigest())), other, WELL)


@pytest.mark.parametrize(
    ("frames", "error"),
    [
        ((), ValidationFailed),
        ((new_file(), DATA, WELL), ValidationFailed),
        ((Imported(THERE), DATA), ValidationFailed),
        ((Imported(THERE), Imported(THERE), DATA, WELL), ValidationFailed),
        ((Imported(replace(THERE, revision=0)), DATA, WELL), ValidationFailed),
        ((Imported(THERE), DATA[1:], UploadCommit(9)), ChecksumMismatch),
        ((Imported(THERE), DATA + b"x", UploadCommit(11)), ChecksumMismatch),
        ((Imported(THERE), DATA[::-1], WELL), ChecksumMismatch),
        ((Imported(THERE), DATA, UploadCommit(10, "0" * 64)), ChecksumMismatch),
        ((Imported(replace(THERE, size=101)), DATA, WELL), FileTooLarge),
        ((Imported(replace(THERE, retention_policy=RetentionPolicy.PERMANENT)), DATA, WELL), ModeNotAllowed),
    ],
    ids=[
        "nothing",
        "upload",
        "no commit",
        "two headers",
        "revision",
        "short",
        "long",
        "content",
        "digest",
        "large",
        "mode",
    ],
)
async def test_what_is_refused_leaves_nothing(
    take_over: Imports, files: MemoryFiles, frames: tuple[object, ...], error: type[ArtStoreError]
) -> None:
    with pytest.raises(error):
        await take_over(*frames)
    assert (files.documents, files.incoming) == ({}, 0)


@pytest.mark.parametrize("mode", [Mode.RO, Mode.AR, Mode.RW])
async def test_the_mode_decides(take_over: Imports, gate: ModeGate, files: MemoryFiles, mode: Mode) -> None:
    await become(gate, mode_state(mode))
    with pytest.raises(ModeNotAllowed):
        await take_over(Imported(THERE), DATA, WELL)
    assert (files.documents, take_over.accepted) == ({}, 0)


async def test_what_was_destroyed_here_never_comes_back(take_over: Imports, files: MemoryFiles) -> None:
    await take_over(Imported(THERE), DATA, WELL)
    ended = replace(THERE, status=FileStatus.DELETED, deleted_at=NOW, deleted_by=THERE.uploaded_by)
    await files.change(FILE_ID, lambda _: ended)
    await files.destroy(FILE_ID, lambda document: destruction(document, NOW, timedelta(0)))
    with pytest.raises(FileDeleted):
        await take_over(Imported(THERE), DATA, WELL)
