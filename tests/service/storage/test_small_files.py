"""Small files go in by one call each, over the wire."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from clients.frames import encode_chunk
from clients.storage import StorageClient
from services.model.errors import ArtStoreError, ChecksumMismatch, Conflict, ModeNotAllowed, ValidationFailed
from services.model.files import FileAttributes, NewFile, RetentionPolicy, UploadCommit
from tests.doubles.documents import new_id
from tests.service.storage.conftest import ANNA, MIB, Calls, download, temporary, upload
from tests.support.certificates import Certificates
from tests.support.elements import RunningElement

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def store(client: StorageClient, data: bytes, new: NewFile | None = None, sha256: str = "") -> FileAttributes:
    """Store `data` in one call."""
    commit = UploadCommit(len(data), sha256 or None)
    return await client.store(new or temporary(), [encode_chunk(data)], commit, on_behalf_of=ANNA)


@pytest.mark.parametrize("size", [0, 1, 4096, MIB])
async def test_a_small_document_comes_back(ingester: StorageClient, query: StorageClient, size: int) -> None:
    data = bytes(range(256)) * (size // 256) or bytes(size)
    new = temporary(tags=("b", "a"), metadata={"n": 12345678901234567890}, declared_size=size)
    file = await store(ingester, data, new, hashlib.sha256(data).hexdigest())
    assert (file.size, file.uploaded_by, file.tags, file.metadata) == (size, "anna", new.tags, new.metadata)
    assert await query.file(file.file_id, on_behalf_of=ANNA) == file
    assert await download(query, file.file_id) == data


async def test_it_is_the_same_file_however_it_is_sent(ingester: StorageClient) -> None:
    new = temporary()
    first = await store(ingester, b"x", new)
    assert await upload(ingester, b"x", new) == first
    assert await store(ingester, b"x", new) == first
    with pytest.raises(Conflict):
        await store(ingester, b"y", new)


@pytest.mark.parametrize(
    ("new", "data", "sha256", "error"),
    [
        (temporary(), bytes(MIB + 1), "", ValidationFailed),
        (temporary(), b"x", "0" * 64, ChecksumMismatch),
        (temporary(declared_size=2), b"x", "", ChecksumMismatch),
        (temporary(original_filename="\0"), b"x", "", ValidationFailed),
        (temporary(retention_policy=RetentionPolicy.PERMANENT), b"x", "", ModeNotAllowed),
    ],
    ids=["oversized", "wrong digest", "wrong size", "bad name", "wrong policy"],
)
async def test_what_is_refused_leaves_nothing(
    ingester: StorageClient, edit: RunningElement, new: NewFile, data: bytes, sha256: str, error: type[Exception]
) -> None:
    kept = edit.kept()
    with pytest.raises(error):
        await store(ingester, data, new, sha256)
    assert (edit.kept(), edit.leftovers()) == (kept, [])


async def test_of_many_at_once_each_has_its_own_outcome(ingester: StorageClient, query: StorageClient) -> None:
    news = [temporary() for _ in range(60)]
    wrong = {7, 23, 41}
    results = await asyncio.gather(
        *(store(ingester, f"{n}".encode(), new, "0" * 64 if n in wrong else "") for n, new in enumerate(news)),
        return_exceptions=True,
    )
    assert {n for n, each in enumerate(results) if isinstance(each, ChecksumMismatch)} == wrong
    for n, file in enumerate(results):
        if n not in wrong:
            assert isinstance(file, FileAttributes)
            assert await download(query, file.file_id) == f"{n}".encode()


async def test_batches_are_measured(calls: Calls, ingester: StorageClient) -> None:
    await store(ingester, b"x")
    metrics = await calls.element.process.metrics()
    assert "se_small_batch_files_count" in metrics
    assert 'code="OK",method="/artstore.storage.v1.StorageWriteService/StoreFile"' in metrics


async def test_after_a_kill_in_the_middle_every_small_file_is_whole_or_absent(
    folder: Path, certificates: Certificates
) -> None:
    element = await RunningElement.start(folder, certificates, "se-kill-01", "edit")
    calls = Calls(element, certificates)
    acknowledged: dict[str, FileAttributes] = {}
    enough = asyncio.Event()

    async def client() -> None:
        ingester = calls.as_("ingester")
        with contextlib.suppress(ArtStoreError):
            while True:
                new = replace(temporary(), file_id=new_id())
                file = await store(ingester, str(new.file_id).encode(), new)
                acknowledged[file.file_id] = file
                if len(acknowledged) >= 60:
                    enough.set()

    async with asyncio.TaskGroup() as clients:
        for _ in range(16):
            clients.create_task(client())
        await enough.wait()
        element.process.kill()
    await calls.close()
    again = await RunningElement.start(folder, certificates, "se-kill-01", "edit")
    calls = Calls(again, certificates)
    try:
        query = calls.as_("query")
        for file_id, file in acknowledged.items():
            assert await query.file(file.file_id, on_behalf_of=ANNA) == file
            assert await download(query, file.file_id) == file_id.encode()
        assert again.leftovers() == []
    finally:
        await calls.close()
        assert again.process.stop() == 0
