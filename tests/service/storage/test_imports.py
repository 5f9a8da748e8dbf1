"""Files of another element, taken over with all that they are."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from clients.storage import StorageClient
from services.model.errors import ArtStoreError, ChecksumMismatch, Conflict, Forbidden, ModeNotAllowed, ValidationFailed
from services.model.files import FileAttributes, FileStatus, JsonObject, RetentionPolicy, UploadCommit
from services.model.ids import Subject
from services.storage.domain.documents import decode
from tests.doubles.documents import new_id
from tests.service.storage.conftest import ANNA, Calls, chunks, download, upload
from tests.support.elements import RunningElement

pytestmark = pytest.mark.asyncio(loop_scope="module")

DATA = bytes(range(256)) * 5000
NOW = datetime.now(UTC).replace(microsecond=0)


def elsewhere(**changes: Any) -> FileAttributes:
    """As another element has it."""
    plain = FileAttributes(
        file_id=new_id(),
        original_filename="Договор №7.pdf",
        content_type="application/pdf",
        size=len(DATA),
        sha256=hashlib.sha256(DATA).hexdigest(),
        uploaded_by=Subject("sa_scanner_x1"),
        uploaded_at=NOW - timedelta(days=3),
        updated_at=NOW - timedelta(days=1),
        retention_policy=RetentionPolicy.TEMPORARY,
        description="with all that it is",
        tags=("b", "a"),
        metadata={"n": 12345678901234567890},
        ttl=timedelta(days=30),
        expires_at=NOW + timedelta(days=27),
        revision=7,
        epoch=4_000_000,
    )
    return replace(plain, **changes)


async def take_over(
    client: StorageClient, file: FileAttributes, data: bytes = DATA, unknown: JsonObject | None = None
) -> FileAttributes:
    async with client.take_over(file, unknown, on_behalf_of=ANNA) as sending:
        await sending.send(chunks(data))
        return await sending.commit(UploadCommit(len(data)))


async def test_it_is_here_what_it_is_there(ingester: StorageClient, query: StorageClient, edit: RunningElement) -> None:
    there = elsewhere()
    unknown: JsonObject = {"holds": [{"by": "court", "until": None}], "retain_until": "2036-01-01T00:00:00.000Z"}
    here = await take_over(ingester, there, unknown=unknown)
    assert here == replace(there, epoch=here.epoch)
    assert here.epoch == 1
    assert await query.file(there.file_id, on_behalf_of=ANNA) == here
    assert await download(query, there.file_id) == DATA
    (path,) = (edit.data / "files").rglob(f"*{there.file_id}*.attr.json")
    assert decode(path.read_bytes()).unknown == unknown


async def test_asking_again_gives_the_same_file(ingester: StorageClient) -> None:
    there = elsewhere()
    here = await take_over(ingester, there)
    assert await take_over(ingester, replace(there, revision=8)) == here
    other = DATA[::-1]
    with pytest.raises(Conflict):
        await take_over(ingester, replace(there, sha256=hashlib.sha256(other).hexdigest()), other)


@pytest.mark.parametrize(
    ("changes", "data", "error"),
    [
        ({"status": FileStatus.DELETED}, DATA, ValidationFailed),
        ({"retention_policy": RetentionPolicy.PERMANENT, "ttl": None, "expires_at": None}, DATA, ModeNotAllowed),
        ({"size": 7}, DATA[:7], ChecksumMismatch),
        ({}, DATA[:-1], ChecksumMismatch),
    ],
    ids=["deleted", "permanent", "digest", "size"],
)
async def test_what_is_refused_leaves_nothing(
    ingester: StorageClient, edit: RunningElement, changes: dict[str, Any], data: bytes, error: type[ArtStoreError]
) -> None:
    kept = edit.kept()
    with pytest.raises(error):
        await take_over(ingester, elsewhere(**changes), data)
    assert (edit.kept(), edit.leftovers()) == (kept, [])


async def test_only_the_ingester_takes_over(calls: Calls) -> None:
    for module in ("query", "admin", "gateway"):
        with pytest.raises(ArtStoreError) as refused:
            await take_over(calls.as_(module), elsewhere())
        assert refused.type is Forbidden or module == "gateway"


async def test_a_file_that_was_uploaded_here_is_not_taken_over_again(ingester: StorageClient) -> None:
    file = await upload(ingester, DATA)
    assert await take_over(ingester, replace(file, description="another")) == file
