"""What every store of resumable uploads does; see `services/storage/ports.py`."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from services.model.errors import Conflict, NotFound, StorageFull
from services.model.files import FileAttributes
from services.model.ids import UploadId
from services.storage.domain.resumable import OpenUpload
from services.storage.ports import Files, Uploads
from tests.doubles.storage_files import MemoryFiles
from tests.doubles.storage_uploads import MemoryUploads
from tests.support.storage_store import content_of, opened, store
from tests.unit.storage.samples import ANNA, FILE_ID, NOW, attributes, new_file

ID = UploadId(FILE_ID)
END, LATER = NOW + timedelta(days=1), NOW + timedelta(days=2)
Stores = tuple[Uploads, Files]


@pytest.fixture(params=["memory", "disk"])
async def stores(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Stores]:
    """The uploads and the files of an empty element."""
    if request.param == "memory":
        files = MemoryFiles()
        yield MemoryUploads(files), files
    else:
        async with opened(tmp_path) as element:
            yield element.uploads, element.files


async def begun(uploads: Uploads, declared: int | None = None) -> OpenUpload:
    upload = OpenUpload(new_file(declared_size=declared), ANNA, END)
    await uploads.create(upload)
    return uploads.get(ID)


async def append(uploads: Uploads, *chunks: bytes) -> OpenUpload:
    async with uploads.append(uploads.get(ID), expires_at=lambda: LATER) as part:
        for chunk in chunks:
            await part.write(chunk)
        return await part.acknowledge()


async def complete(uploads: Uploads) -> FileAttributes:
    upload = uploads.get(ID)
    made = attributes(size=upload.offset, sha256=await uploads.digest(upload))
    return await uploads.complete(upload, made, expires_at=LATER)


async def test_what_was_begun_is_known_and_what_was_not_is_not_found(stores: Stores) -> None:
    uploads, _ = stores
    with pytest.raises(NotFound):
        uploads.get(ID)
    upload = await begun(uploads, 10)
    assert (upload.offset, upload.completed, upload.new.declared_size) == (0, False, 10)
    assert uploads.known() == [upload]


@pytest.mark.parametrize("declared", [None, 1_500_003])
async def test_appended_bytes_make_a_file(stores: Stores, declared: int | None) -> None:
    uploads, files = stores
    await begun(uploads, declared)
    upload = await append(uploads, b"abc", memoryview(b"x" * 700_000))  # type: ignore[arg-type]
    assert (upload.offset, upload.expires_at) == (700_003, LATER)
    assert uploads.get(ID) == upload
    await append(uploads, b"y" * 800_000)
    assert await uploads.digest(uploads.get(ID)) == hashlib.sha256(b"abc" + b"x" * 700_000 + b"y" * 800_000).hexdigest()
    file = await complete(uploads)
    assert await content_of(files, file) == b"abc" + b"x" * 700_000 + b"y" * 800_000
    assert uploads.get(ID).completed
    assert (await files.room()).promised == 0


async def test_an_empty_upload_makes_an_empty_file(stores: Stores) -> None:
    uploads, files = stores
    await begun(uploads)
    assert await content_of(files, await complete(uploads)) == b""


async def test_its_end_counts_from_what_came_last(stores: Stores) -> None:
    uploads, _ = stores
    await begun(uploads)
    ends = iter((END, LATER))
    async with uploads.append(uploads.get(ID), expires_at=lambda: next(ends)) as part:
        for end in (END, LATER):
            await part.write(b"abc")
            assert (await part.acknowledge()).expires_at == end


async def test_what_was_not_acknowledged_does_not_count(stores: Stores) -> None:
    uploads, files = stores
    await begun(uploads)
    await append(uploads, b"abc")
    async with uploads.append(uploads.get(ID), expires_at=lambda: END) as part:
        await part.write(b"z" * 600_000)
    assert uploads.get(ID).offset == 3
    await append(uploads, b"def")
    assert await content_of(files, await complete(uploads)) == b"abcdef"


async def test_an_id_that_is_taken_by_the_same_content_is_that_file(stores: Stores) -> None:
    uploads, files = stores
    there = await store(files, attributes(), b"abc")
    await begun(uploads)
    await append(uploads, b"abc")
    assert await complete(uploads) == there


async def test_an_id_that_is_taken_by_other_content_is_refused_and_the_upload_stays(stores: Stores) -> None:
    uploads, files = stores
    there = await store(files, attributes(), b"xyz")
    await begun(uploads)
    await append(uploads, b"abc")
    with pytest.raises(Conflict):
        await complete(uploads)
    assert await content_of(files, there) == b"xyz"


async def test_what_was_removed_is_gone_and_a_file_that_was_made_of_it_stays(stores: Stores) -> None:
    uploads, files = stores
    await begun(uploads, 10)
    await append(uploads, b"abc")
    await uploads.remove(uploads.get(ID))
    with pytest.raises(NotFound):
        uploads.get(ID)
    assert (await files.room()).promised == 0
    await begun(uploads)
    await append(uploads, b"def")
    file = await complete(uploads)
    await uploads.remove(uploads.get(ID))
    assert uploads.known() == []
    assert await content_of(files, file) == b"def"


async def test_what_does_not_fit_is_refused_at_the_beginning(stores: Stores) -> None:
    uploads, files = stores
    with pytest.raises(StorageFull):
        await begun(uploads, (await files.room()).available + (1 << 40))
    assert uploads.known() == []
    assert (await files.room()).promised == 0


async def test_one_at_a_time_holds_an_upload(stores: Stores) -> None:
    uploads, _ = stores
    async with uploads.held(ID):
        waiting = asyncio.create_task(_hold(uploads))
        await asyncio.sleep(0)
        assert not waiting.done()
    await waiting


async def _hold(uploads: Uploads) -> None:
    async with uploads.held(ID):
        pass
