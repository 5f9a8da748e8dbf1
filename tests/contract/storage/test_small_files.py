"""What every store of files does with small ones; see `Files.store` in `services/storage/ports.py`."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from services.model.errors import ChecksumMismatch, Conflict, FileDeleted, NotFound
from services.model.files import FileAttributes, FileStatus
from services.model.ids import FileId
from services.storage.domain.collecting import destruction
from services.storage.ports import Files, Whole
from tests.doubles.documents import new_id
from tests.support.storage_store import content_of
from tests.unit.storage.samples import FILE_ID, NOW, attributes


def deciding(file_id: FileId, content: bytes) -> Callable[[str], FileAttributes]:
    return lambda sha256: attributes(file_id=file_id, size=len(content), sha256=sha256)


async def stored(files: Files, content: bytes, file_id: FileId = FILE_ID) -> FileAttributes:
    return await files.store(Whole(file_id, content, deciding(file_id, content)))


@pytest.mark.parametrize("content", [b"", b"x", bytes(1 << 20)], ids=len)
async def test_what_was_stored_is_found_and_read(files: Files, content: bytes) -> None:
    file = await stored(files, content)
    assert (file.size, file.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert file.epoch > 0
    assert (await files.find(FILE_ID)).attributes == file
    assert await content_of(files, file) == content
    assert files.usage().used == len(content)
    assert (await files.room()).promised == 0


async def test_memory_that_is_not_ours_may_come_in_views(files: Files) -> None:
    content = memoryview(b"head and tail")[5:8]
    file = await files.store(Whole(FILE_ID, content, deciding(FILE_ID, bytes(content))))
    assert await content_of(files, file) == b"and"


async def test_the_same_id_with_the_same_content_is_the_existing_file(files: Files) -> None:
    assert await stored(files, b"x") == await stored(files, b"x")
    with pytest.raises(Conflict):
        await stored(files, b"y")
    assert await content_of(files, (await files.find(FILE_ID)).attributes) == b"x"


async def test_what_is_refused_when_its_digest_is_known_is_not_kept(files: Files) -> None:
    def refuse(sha256: str) -> FileAttributes:
        raise ChecksumMismatch(sha256)

    with pytest.raises(ChecksumMismatch, match=hashlib.sha256(b"x").hexdigest()):
        await files.store(Whole(FILE_ID, b"x", refuse))
    with pytest.raises(NotFound):
        await files.find(FILE_ID)
    assert (await files.room()).promised == 0


async def test_of_many_at_once_each_has_its_own_outcome(files: Files) -> None:
    await stored(files, b"taken")
    ids = [new_id() for _ in range(50)]
    results = await asyncio.gather(
        *(stored(files, file_id.encode(), file_id) for file_id in ids),
        stored(files, b"another"),
        *(stored(files, file_id.encode(), file_id) for file_id in ids[:20]),
        return_exceptions=True,
    )
    assert isinstance(results[50], Conflict)
    assert results[51:] == results[:20], "an id that comes twice is one file"
    for file_id, file in zip(ids, results[:50], strict=True):
        assert isinstance(file, FileAttributes)
        assert await content_of(files, file) == file_id.encode()
    assert files.usage().files[FileStatus.ACTIVE] == 51


async def test_of_two_of_one_id_at_once_one_is_kept(files: Files) -> None:
    results = await asyncio.gather(*(stored(files, bytes([n])) for n in range(4)), return_exceptions=True)
    assert sum(isinstance(each, FileAttributes) for each in results) == 1
    assert sum(isinstance(each, Conflict) for each in results) == 3


async def test_several_that_come_together_have_their_own_outcomes(files: Files) -> None:
    def refuse(sha256: str) -> FileAttributes:
        raise ChecksumMismatch(sha256)

    await stored(files, b"taken")
    ids = [new_id() for _ in range(40)]
    good = [Whole(each, each.encode(), deciding(each, each.encode())) for each in ids]
    bad = [Whole(new_id(), b"x", refuse), Whole(FILE_ID, b"other", deciding(FILE_ID, b"other"))]
    twice = [Whole(ids[0], b"not that", deciding(ids[0], b"not that")), good[1]]
    outcomes = await files.store_all([*good[:20], *bad, *good[20:], *twice])
    assert isinstance(outcomes[20], ChecksumMismatch)
    assert isinstance(outcomes[21], Conflict)
    assert isinstance(outcomes[-2], Conflict), "of an id that comes twice the first counts"
    assert outcomes[-1] == outcomes[1], "an id that comes twice with the same content is one file"
    for file_id, file in zip(ids, [*outcomes[:20], *outcomes[22:-2]], strict=True):
        assert isinstance(file, FileAttributes)
        assert (file.file_id, await content_of(files, file)) == (file_id, file_id.encode())
    assert files.usage().files[FileStatus.ACTIVE] == 41
    assert await files.store_all([]) == []


async def test_what_was_destroyed_never_comes_back(files: Files) -> None:
    file = await stored(files, b"x")
    deleted = replace(file, status=FileStatus.DELETED, deleted_at=NOW, deleted_by=file.uploaded_by, revision=2)
    await files.change(FILE_ID, lambda _: deleted)
    assert await files.destroy(FILE_ID, lambda document: destruction(document, NOW, timedelta(0)))
    again = Whole(FILE_ID, b"x", deciding(FILE_ID, b"x"))
    with pytest.raises(FileDeleted):
        await files.store(again)
    other = new_id()
    refused, kept = await files.store_all([again, Whole(other, b"y", deciding(other, b"y"))])
    assert isinstance(refused, FileDeleted)
    assert isinstance(kept, FileAttributes)
