"""A document comes by parts, over the wire, whatever happens in between."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from artstore.storage.v1 import uploads_pb2

from clients import metadata
from clients.frames import encode_chunk
from clients.storage import StorageClient
from clients.storage_uploads import APPEND, StorageUploadsClient
from clients.streams import UploadStream
from services.chassis.caller import Identity
from services.chassis.faults import translated
from services.model.elements import Mode
from services.model.errors import (
    ArtStoreError,
    ChecksumMismatch,
    Conflict,
    FileTooLarge,
    Forbidden,
    MetadataTooLarge,
    ModeNotAllowed,
    NotFound,
    RateLimited,
    StorageUnavailable,
    ValidationFailed,
)
from services.model.files import FileAttributes, RetentionPolicy, UploadCommit
from services.model.ids import FileId, Subject, UploadId
from services.model.uploads import UploadState
from tests.service.storage.conftest import ANNA, MIB, PATIENCE, Calls, chunks, download, eventually, temporary
from tests.support.certificates import Certificates
from tests.support.elements import RunningElement

pytestmark = pytest.mark.asyncio(loop_scope="module")

CONTENT = os.urandom(3 * MIB + 17)
DIGEST = hashlib.sha256(CONTENT).hexdigest()
BORIS = Identity(Subject("boris"), ANNA.scopes)
ADMIN = Identity(Subject("admin"), frozenset({"storage:read", "storage:write"}))


@pytest.fixture
def uploads(ingester: StorageClient) -> StorageUploadsClient:
    return ingester.uploads


async def begin(uploads: StorageUploadsClient, **changes: object) -> UploadId:
    return (await uploads.create(temporary(**changes), on_behalf_of=ANNA)).upload_id


async def append(uploads: StorageUploadsClient, upload_id: UploadId, offset: int, data: bytes) -> UploadState:
    return await uploads.append(upload_id, offset, chunks(data), on_behalf_of=ANNA)


async def complete(
    uploads: StorageUploadsClient, upload_id: UploadId, size: int = len(CONTENT), sha256: str | None = DIGEST
) -> FileAttributes:
    return await uploads.complete(upload_id, UploadCommit(size, sha256), on_behalf_of=ANNA)


async def offset_of(uploads: StorageUploadsClient, upload_id: UploadId) -> int:
    return (await uploads.get(upload_id, on_behalf_of=ANNA)).offset


def kept_of(element: RunningElement, upload_id: UploadId) -> list[str]:
    """What lies in `uploads/` for an upload."""
    return sorted(path.suffix for path in (element.data / "uploads").iterdir() if path.stem == upload_id)


@pytest.mark.parametrize("declared", [len(CONTENT), None], ids=["declared", "undeclared"])
async def test_parts_make_a_document(
    uploads: StorageUploadsClient, query: StorageClient, edit: RunningElement, declared: int | None
) -> None:
    new = temporary(declared_size=declared, tags=("b", "a"), metadata={"n": 12345678901234567890})
    upload = await uploads.create(new, on_behalf_of=ANNA)
    assert (upload.offset, upload.declared_size, upload.completed) == (0, declared, False)
    upload = await append(uploads, upload.upload_id, 0, CONTENT[:MIB])
    assert upload.offset == MIB
    with pytest.raises(NotFound):
        await query.file(FileId(upload.upload_id), on_behalf_of=ANNA)
    await append(uploads, upload.upload_id, MIB, CONTENT[MIB:])
    file = await complete(uploads, upload.upload_id)
    assert (file.file_id, file.size, file.sha256, file.uploaded_by) == (new.file_id, len(CONTENT), DIGEST, "anna")
    assert (file.tags, file.metadata) == (new.tags, new.metadata)
    assert await download(query, file.file_id) == CONTENT
    assert (kept_of(edit, upload.upload_id), edit.leftovers()) == ([".json"], [])


async def test_an_empty_document_needs_no_part(uploads: StorageUploadsClient, query: StorageClient) -> None:
    upload_id = await begin(uploads)
    file = await complete(uploads, upload_id, 0, hashlib.sha256(b"").hexdigest())
    assert await download(query, file.file_id) == b""


async def test_beginning_again_answers_the_upload_as_it_stands(uploads: StorageUploadsClient) -> None:
    new = temporary()
    upload = await uploads.create(new, on_behalf_of=ANNA)
    await append(uploads, upload.upload_id, 0, b"abc")
    assert (await uploads.create(new, on_behalf_of=ANNA)).offset == 3
    with pytest.raises(Conflict):
        await uploads.create(temporary(file_id=new.file_id, description="another"), on_behalf_of=ANNA)


async def test_completion_is_repeatable(uploads: StorageUploadsClient) -> None:
    upload_id = await begin(uploads)
    await append(uploads, upload_id, 0, CONTENT)
    file = await complete(uploads, upload_id)
    assert await complete(uploads, upload_id) == file
    assert (await uploads.get(upload_id, on_behalf_of=ANNA)).completed
    with pytest.raises(Conflict):
        await complete(uploads, upload_id, 5, None)
    with pytest.raises(Conflict, match="completed"):
        await append(uploads, upload_id, len(CONTENT), b"more")
    await uploads.abort(upload_id, on_behalf_of=ANNA)


async def test_several_completions_at_once_are_one_document(uploads: StorageUploadsClient) -> None:
    upload_id = await begin(uploads)
    await append(uploads, upload_id, 0, CONTENT)
    files = await asyncio.gather(*(complete(uploads, upload_id) for _ in range(5)))
    assert all(file == files[0] for file in files)


@pytest.mark.parametrize("wrong", [0, 2, 4])
async def test_a_wrong_offset_is_refused_and_told_the_right_one(uploads: StorageUploadsClient, wrong: int) -> None:
    upload_id = await begin(uploads)
    await append(uploads, upload_id, 0, b"abc")
    with pytest.raises(Conflict, match="3 bytes") as told:
        await append(uploads, upload_id, wrong, b"def")
    assert [(each.field, each.message) for each in told.value.details] == [("offset", "3")]
    assert await offset_of(uploads, upload_id) == 3


async def test_a_wrong_digest_or_length_keeps_the_upload_and_makes_nothing(
    uploads: StorageUploadsClient, edit: RunningElement
) -> None:
    upload_id = await begin(uploads)
    await append(uploads, upload_id, 0, CONTENT)
    kept = edit.kept()
    for size, sha256 in ((len(CONTENT), "0" * 64), (len(CONTENT) - 1, DIGEST)):
        with pytest.raises(ChecksumMismatch):
            await complete(uploads, upload_id, size, sha256)
    assert (edit.kept(), edit.leftovers()) == (kept, [])
    assert (await complete(uploads, upload_id)).sha256 == DIGEST


async def test_what_is_too_much_is_refused_at_the_byte(uploads: StorageUploadsClient) -> None:
    with pytest.raises(FileTooLarge):
        await begin(uploads, declared_size=8 * MIB + 1)
    undeclared = await begin(uploads)
    with pytest.raises(FileTooLarge):
        await append(uploads, undeclared, 0, bytes(8 * MIB + 1))
    declared = await begin(uploads, declared_size=10)
    with pytest.raises(ChecksumMismatch):
        await append(uploads, declared, 0, b"12345678901")
    assert await offset_of(uploads, declared) <= 10


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"description": "ы" * 2000}, MetadataTooLarge),
        ({"original_filename": "\0"}, ValidationFailed),
        ({"retention_policy": RetentionPolicy.PERMANENT}, ModeNotAllowed),
        ({"file_id": FileId("01f20000-0000-7000-8000-000000000000")}, ValidationFailed),
    ],
)
async def test_a_bad_beginning_is_refused(
    uploads: StorageUploadsClient, changes: dict[str, object], error: type[ArtStoreError]
) -> None:
    with pytest.raises(error):
        await begin(uploads, **changes)


async def test_an_upload_is_only_his_who_began_it(uploads: StorageUploadsClient) -> None:
    upload_id = await begin(uploads)
    await append(uploads, upload_id, 0, b"abc")
    with pytest.raises(Forbidden):
        await uploads.get(upload_id, on_behalf_of=BORIS)
    with pytest.raises(Forbidden):
        await uploads.append(upload_id, 3, chunks(b"x"), on_behalf_of=BORIS)
    with pytest.raises(Forbidden):
        await uploads.complete(upload_id, UploadCommit(3), on_behalf_of=BORIS)
    with pytest.raises(Forbidden):
        await uploads.abort(upload_id, on_behalf_of=BORIS)
    assert await offset_of(uploads, upload_id) == 3


async def test_an_upload_that_was_given_up_is_gone(uploads: StorageUploadsClient, edit: RunningElement) -> None:
    upload_id = await begin(uploads)
    await append(uploads, upload_id, 0, CONTENT)
    await uploads.abort(upload_id, on_behalf_of=ANNA)
    assert kept_of(edit, upload_id) == []
    for asked in (uploads.get(upload_id, on_behalf_of=ANNA), append(uploads, upload_id, 0, b"x"),
                  complete(uploads, upload_id), uploads.abort(upload_id, on_behalf_of=ANNA)):  # fmt: skip
        with pytest.raises(NotFound):
            await asked


async def test_a_newer_appender_takes_over_from_an_older_one(
    uploads: StorageUploadsClient, edit: RunningElement
) -> None:
    upload_id = await begin(uploads)
    part = edit.data / "uploads" / f"{upload_id}.part"

    async def then_silence() -> AsyncIterator[bytes]:
        yield encode_chunk(CONTENT[:MIB])
        await asyncio.Event().wait()

    older = asyncio.create_task(uploads.append(upload_id, 0, then_silence(), on_behalf_of=ANNA))
    await eventually(lambda: part.exists() and part.stat().st_size == MIB)
    with pytest.raises(Conflict, match=f"{MIB} bytes"):  # the older one's bytes are kept first
        await append(uploads, upload_id, 0, b"x")
    with pytest.raises(Conflict, match="another call"):
        await older
    await append(uploads, upload_id, MIB, CONTENT[MIB:])
    assert (await complete(uploads, upload_id)).sha256 == DIGEST


async def test_many_appenders_at_once_leave_whole_bytes(uploads: StorageUploadsClient) -> None:
    upload_id = await begin(uploads, declared_size=len(CONTENT))
    for size in (*[10_000] * 10, 700_000, MIB):
        offset = await offset_of(uploads, upload_id)
        data = CONTENT[offset : offset + size]
        results = await asyncio.gather(
            *(append(uploads, upload_id, offset, data) for _ in range(4)), return_exceptions=True
        )
        assert all(isinstance(each, UploadState | Conflict) for each in results)
        assert any(isinstance(each, UploadState) for each in results)
    offset = await offset_of(uploads, upload_id)
    assert offset == 10 * 10_000 + 700_000 + MIB
    await append(uploads, upload_id, offset, CONTENT[offset:])
    assert (await complete(uploads, upload_id)).sha256 == DIGEST


async def test_bytes_before_a_cut_are_kept(uploads: StorageUploadsClient, edit: RunningElement) -> None:
    upload_id = await begin(uploads)
    part = edit.data / "uploads" / f"{upload_id}.part"

    async def then_gone() -> AsyncIterator[bytes]:
        yield encode_chunk(CONTENT[:MIB])
        await asyncio.Event().wait()

    task = asyncio.create_task(uploads.append(upload_id, 0, then_gone(), on_behalf_of=ANNA))
    await eventually(lambda: part.exists() and part.stat().st_size == MIB)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(PATIENCE):
        while await offset_of(uploads, upload_id) != MIB:  # noqa: ASYNC110 - another process tells nobody
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("said", [2, 4])
async def test_a_call_that_lost_bytes_says_so_and_keeps_what_came(calls: Calls, said: int) -> None:
    uploads = calls.as_("ingester").uploads
    upload_id = await begin(uploads)
    with pytest.raises(ChecksumMismatch):
        await raw_append(calls, [
            uploads_pb2.AppendUploadRequest(header=uploads_pb2.AppendUploadHeader(upload_id=upload_id)),
            uploads_pb2.AppendUploadRequest(chunk=b"abc"),
            uploads_pb2.AppendUploadRequest(end=uploads_pb2.AppendUploadEnd(size=said)),
        ])  # fmt: skip
    assert await offset_of(uploads, upload_id) == 3


@pytest.mark.parametrize(
    "frames",
    [
        [],
        [uploads_pb2.AppendUploadRequest(chunk=b"x")],
        [uploads_pb2.AppendUploadRequest(end=uploads_pb2.AppendUploadEnd())],
        [uploads_pb2.AppendUploadRequest(header=uploads_pb2.AppendUploadHeader(upload_id="x"))],
    ],
    ids=["nothing", "no header", "end only", "no id"],
)
async def test_a_stream_out_of_order_is_refused(calls: Calls, frames: list[uploads_pb2.AppendUploadRequest]) -> None:
    with pytest.raises(ValidationFailed):
        await raw_append(calls, frames)


async def raw_append(calls: Calls, frames: list[uploads_pb2.AppendUploadRequest]) -> uploads_pb2.AppendUploadResponse:
    """All frames at once, whatever they are."""
    channel = calls.channel(calls.certificates.module("ingester"))
    call: grpc.aio.StreamUnaryCall[bytes, uploads_pb2.AppendUploadResponse] = channel.stream_unary(
        APPEND, response_deserializer=uploads_pb2.AppendUploadResponse.FromString
    )(metadata=metadata.on_behalf_of(ANNA), timeout=20)
    stream = UploadStream(call, peer="the element", unavailable=StorageUnavailable)
    if not frames:
        await call.done_writing()
        with translated():
            return await call
    *first, last = (frame.SerializeToString() for frame in frames)
    await stream.send(each(first))
    return await stream.finish(last)


async def each(frames: list[bytes]) -> AsyncIterator[bytes]:
    for frame in frames:
        yield frame


async def test_acknowledged_bytes_survive_a_kill_between_appends_and_the_rest_is_cut(
    folder: Path, certificates: Certificates
) -> None:
    new = temporary(declared_size=len(CONTENT))
    half = len(CONTENT) // 2
    element, calls = await started(folder, certificates)
    uploads = calls.as_("ingester").uploads
    upload_id = (await uploads.create(new, on_behalf_of=ANNA)).upload_id
    await append(uploads, upload_id, 0, CONTENT[:half])
    part = element.data / "uploads" / f"{upload_id}.part"

    async def torn() -> AsyncIterator[bytes]:
        yield encode_chunk(CONTENT[half : half + MIB])
        await eventually(lambda: part.stat().st_size > half)
        element.process.kill()
        await asyncio.Event().wait()

    with pytest.raises(StorageUnavailable):
        await uploads.append(upload_id, half, torn(), on_behalf_of=ANNA)
    await calls.close()
    element, calls = await started(folder, certificates)
    try:
        uploads = calls.as_("ingester").uploads
        assert await offset_of(uploads, upload_id) == half == part.stat().st_size
        await append(uploads, upload_id, half, CONTENT[half:])
        element.process.kill()
        await calls.close()
        element, calls = await started(folder, certificates)
        uploads = calls.as_("ingester").uploads
        file = await complete(uploads, upload_id)
        assert await download(calls.as_("query"), file.file_id) == CONTENT
        assert (await uploads.create(new, on_behalf_of=ANNA)).completed
    finally:
        await calls.close()
        assert element.process.stop() == 0


async def test_a_mode_that_takes_no_uploads_completes_none(folder: Path, certificates: Certificates) -> None:
    element, calls = await started(folder, certificates, "rw")
    try:
        uploads = calls.as_("ingester").uploads
        upload_id = await begin(uploads, retention_policy=RetentionPolicy.PERMANENT)
        await append(uploads, upload_id, 0, CONTENT)
        admin = calls.as_("admin").control
        await admin.transition_mode(Mode.RO, confirm=False, on_behalf_of=ADMIN)
        with pytest.raises(ModeNotAllowed):
            await complete(uploads, upload_id)
        with pytest.raises(ModeNotAllowed):
            await append(uploads, upload_id, len(CONTENT), b"x")
        await admin.transition_mode(Mode.RW, confirm=True, on_behalf_of=ADMIN)
        assert (await complete(uploads, upload_id)).sha256 == DIGEST
    finally:
        await calls.close()
        assert element.process.stop() == 0


async def test_abandoned_uploads_expire_and_only_so_many_may_be_open(folder: Path, certificates: Certificates) -> None:
    element, calls = await started(folder, certificates, UPLOAD_EXPIRY="3s", MAX_OPEN_UPLOADS="2")
    try:
        uploads = calls.as_("ingester").uploads
        first, second = await begin(uploads), await begin(uploads)
        await append(uploads, first, 0, b"abc")
        with pytest.raises(RateLimited):
            await begin(uploads)
        await complete(uploads, second, 0, None)
        await begin(uploads, declared_size=10)
        await eventually(lambda: not list((element.data / "uploads").iterdir()))
        with pytest.raises(NotFound):
            await uploads.get(first, on_behalf_of=ANNA)
        assert "se_uploads_expired_total 3.0" in await element.process.metrics()
        assert (await calls.as_("query").file(FileId(second), on_behalf_of=ANNA)).size == 0, "a document stays"
    finally:
        await calls.close()
        assert element.process.stop() == 0


async def started(
    folder: Path, certificates: Certificates, mode: str = "edit", **settings: str
) -> tuple[RunningElement, Calls]:
    element = await RunningElement.start(folder, certificates, "se-own-01", mode, **settings)
    return element, Calls(element, certificates)
