"""Documents go in, change, and come back, over the wire."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from datetime import timedelta

import grpc
import pytest
from artstore.storage.v1 import storage_pb2, storage_pb2_grpc

from clients import metadata, wire
from clients.storage import StorageClient
from clients.streams import UploadStream
from services.chassis.faults import translated
from services.model.elements import Mode
from services.model.errors import (
    ChecksumMismatch,
    Conflict,
    FileDamaged,
    FileDeleted,
    FileTooLarge,
    MetadataTooLarge,
    ModeNotAllowed,
    NotFound,
    PreconditionFailed,
    RangeNotSatisfiable,
    StorageUnavailable,
    ValidationFailed,
)
from services.model.feed import FileListing
from services.model.files import ByteRange, FileAttributes, FileChange, FileStatus, RetentionPolicy
from services.model.ids import FileId
from services.model.paging import PageRequest
from services.storage.domain.seal import seal, unseal
from tests.service.storage.conftest import ANNA, DATA, MIB, Calls, chunks, download, temporary, upload
from tests.support.elements import RunningElement

pytestmark = pytest.mark.asyncio(loop_scope="module")

DIGEST = hashlib.sha256(DATA).hexdigest()


async def test_a_document_comes_back_byte_for_byte(ingester: StorageClient, query: StorageClient) -> None:
    new = temporary(tags=("b", "a"), description="d", metadata={"n": 12345678901234567890}, declared_size=len(DATA))
    file = await upload(ingester, DATA, new, sha256=DIGEST)
    assert (file.size, file.sha256, file.uploaded_by, file.status) == (len(DATA), DIGEST, "anna", FileStatus.ACTIVE)
    assert (file.tags, file.metadata) == (("b", "a"), {"n": 12345678901234567890})
    assert file.expires_at == file.uploaded_at + timedelta(days=30)
    assert await query.file(file.file_id, on_behalf_of=ANNA) == file
    assert await download(query, file.file_id) == DATA


@pytest.mark.parametrize("size", [0, 1, MIB, MIB + 1])
async def test_any_size_comes_back(ingester: StorageClient, query: StorageClient, size: int) -> None:
    file = await upload(ingester, DATA[:size])
    assert await download(query, file.file_id) == DATA[:size]


async def test_a_person_finds_everything_on_the_disk(ingester: StorageClient, edit: RunningElement) -> None:
    file = await upload(ingester, b"content")
    [path] = (edit.data / "files").rglob(f"*{file.file_id}*.attr.json")
    document = json.loads(path.read_bytes())
    assert document["original_filename"] == "Договор №7.pdf"
    assert document["sha256"] == hashlib.sha256(path.with_name(document["storage_filename"]).read_bytes()).hexdigest()


@pytest.mark.parametrize(("first", "last"), [(0, 99), (MIB - 1, MIB), (len(DATA) - 10, len(DATA) - 1)])
async def test_a_range_comes_back(ingester: StorageClient, query: StorageClient, first: int, last: int) -> None:
    file = await upload(ingester, DATA)
    assert await download(query, file.file_id, ByteRange(first, last)) == DATA[first : last + 1]


async def test_a_range_beyond_the_end_is_refused(ingester: StorageClient, query: StorageClient) -> None:
    file = await upload(ingester, b"0123456789")
    for wanted in (ByteRange(10, 10), ByteRange(0, 10)):
        with pytest.raises(RangeNotSatisfiable):
            await download(query, file.file_id, wanted)


async def test_an_update_is_seen_and_checked_against_the_revision(ingester: StorageClient) -> None:
    file = await upload(ingester, b"x")
    changed = await ingester.update(file.file_id, FileChange(description="new", tags=()), 1, on_behalf_of=ANNA)
    assert (changed.description, changed.revision) == ("new", 2)
    with pytest.raises(PreconditionFailed):
        await ingester.update(file.file_id, FileChange(description="late"), 1, on_behalf_of=ANNA)
    assert await ingester.file(file.file_id, on_behalf_of=ANNA) == changed


async def test_of_two_updates_of_one_revision_one_is_made(ingester: StorageClient) -> None:
    file = await upload(ingester, b"x")
    results = await asyncio.gather(
        *(ingester.update(file.file_id, FileChange(description=f"{n}"), 1, on_behalf_of=ANNA) for n in range(5)),
        return_exceptions=True,
    )
    assert sum(isinstance(each, PreconditionFailed) for each in results) == 4


async def test_a_deleted_file_is_told_of_and_not_served(ingester: StorageClient, query: StorageClient) -> None:
    file = await upload(ingester, b"x")
    gone = await ingester.delete(file.file_id, on_behalf_of=ANNA)
    assert (gone.status, gone.deleted_by) == (FileStatus.DELETED, "anna")
    assert await ingester.delete(file.file_id, on_behalf_of=ANNA) == gone
    assert (await query.file(file.file_id, on_behalf_of=ANNA)).status is FileStatus.DELETED
    with pytest.raises(FileDeleted):
        await download(query, file.file_id)


@pytest.mark.parametrize(
    "file_id", [FileId("0198c0de-0000-7000-8000-000000000000"), FileId("ffffffff-ffff-7fff-bfff-ffffffffffff")]
)
async def test_an_unknown_file_is_not_found(ingester: StorageClient, query: StorageClient, file_id: FileId) -> None:
    with pytest.raises(NotFound):
        await query.file(file_id, on_behalf_of=ANNA)
    with pytest.raises(NotFound):
        await download(query, file_id)
    with pytest.raises(NotFound):
        await ingester.delete(file_id, on_behalf_of=ANNA)


async def test_an_id_that_is_none_is_refused(query: StorageClient) -> None:
    with pytest.raises(ValidationFailed, match="file_id"):
        await query.file(FileId("f47ac10b-58cc-4372-a567-0e02b2c3d479"), on_behalf_of=ANNA)


async def test_asking_again_gives_the_same_file(ingester: StorageClient) -> None:
    new = temporary()
    first = await upload(ingester, b"x", new)
    assert await upload(ingester, b"x", new) == first
    with pytest.raises(Conflict):
        await upload(ingester, b"y", new)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"declared_size": 8 * MIB + 1}, FileTooLarge),
        ({"description": "ы" * 2000}, MetadataTooLarge),
        ({"file_id": FileId("01f20000-0000-7000-8000-000000000000")}, ValidationFailed),
        ({"original_filename": "\0"}, ValidationFailed),
    ],
)
async def test_a_bad_header_is_refused_before_any_byte(
    ingester: StorageClient, edit: RunningElement, changes: dict[str, object], error: type[Exception]
) -> None:
    kept = edit.kept()
    with pytest.raises(error):
        async with ingester.upload(temporary(**changes), on_behalf_of=ANNA):
            pytest.fail("the header was accepted")
    assert edit.kept() == kept


async def test_a_permanent_file_does_not_belong_on_edit(ingester: StorageClient) -> None:
    with pytest.raises(ModeNotAllowed):
        await upload(ingester, b"x", temporary(retention_policy=RetentionPolicy.PERMANENT))


async def test_an_undeclared_file_is_refused_at_the_byte_that_is_too_much(
    ingester: StorageClient, edit: RunningElement
) -> None:
    kept = edit.kept()
    with pytest.raises(FileTooLarge):
        await upload(ingester, bytes(8 * MIB + 1))
    assert (edit.kept(), edit.leftovers()) == (kept, [])
    assert (await upload(ingester, bytes(8 * MIB))).size == 8 * MIB


@pytest.mark.parametrize(
    ("commit", "declared"),
    [({"sha256": "0" * 64}, None), ({"size": len(DATA) - 1}, None), ({"size": len(DATA) + 1}, None), ({}, 5 * MIB)],
)
async def test_what_does_not_agree_with_what_was_declared_is_not_kept(
    calls: Calls, edit: RunningElement, commit: dict[str, object], declared: int | None
) -> None:
    kept = edit.kept()
    frames = [storage_pb2.UploadRequest(header=wire.new_file_to_proto(temporary(declared_size=declared)))]
    frames += [storage_pb2.UploadRequest.FromString(chunk) async for chunk in chunks(DATA)]
    last = storage_pb2.UploadRequest()
    last.commit.size = int(str(commit.get("size", len(DATA))))
    last.commit.sha256 = str(commit.get("sha256", ""))
    with pytest.raises(ChecksumMismatch):
        await raw_upload(calls, [*frames, last])
    assert (edit.kept(), edit.leftovers()) == (kept, [])


HEADER = storage_pb2.UploadRequest(header=wire.new_file_to_proto(temporary()))
CHUNK = storage_pb2.UploadRequest(chunk=b"x" * 700_000)
COMMIT = storage_pb2.UploadRequest()
COMMIT.commit.size = 700_000


@pytest.mark.parametrize(
    "frames",
    [
        [],
        [CHUNK, COMMIT],
        [COMMIT],
        [HEADER],
        [HEADER, CHUNK],
        [HEADER, HEADER, CHUNK, COMMIT],
        [HEADER, storage_pb2.UploadRequest(), COMMIT],
        [HEADER, storage_pb2.UploadRequest(chunk=b"x" * (MIB + 1)), COMMIT],
    ],
    ids=["nothing", "no header", "commit only", "header only", "no commit", "two headers", "an empty frame", "too big"],
)
async def test_a_stream_out_of_order_is_refused_and_leaves_nothing(
    calls: Calls, edit: RunningElement, frames: list[storage_pb2.UploadRequest]
) -> None:
    kept = edit.kept()
    with pytest.raises(ValidationFailed):
        await raw_upload(calls, frames)
    assert (edit.kept(), edit.leftovers()) == (kept, [])


async def test_a_sender_need_not_wait_to_be_accepted(calls: Calls) -> None:
    response = await raw_upload(calls, [HEADER, CHUNK, COMMIT])
    assert response.file.size == 700_000


async def raw_upload(calls: Calls, frames: list[storage_pb2.UploadRequest]) -> storage_pb2.UploadResponse:
    """All frames at once, whatever they are, waiting for nothing."""
    channel = calls.channel(calls.certificates.module("ingester"))
    call: grpc.aio.StreamUnaryCall[bytes, storage_pb2.UploadResponse] = channel.stream_unary(
        "/artstore.storage.v1.StorageWriteService/Upload",
        response_deserializer=storage_pb2.UploadResponse.FromString,
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


async def test_damaged_content_is_never_served_as_good(
    ingester: StorageClient, query: StorageClient, edit: RunningElement
) -> None:
    file = await upload(ingester, DATA)
    [path] = (edit.data / "files").rglob(f"*{file.file_id}*.pdf")
    with path.open("r+b") as opened:
        opened.seek(len(DATA) - 1)
        opened.write(bytes([DATA[-1] ^ 1]))
    with pytest.raises(FileDamaged):
        await download(query, file.file_id)
    assert await download(query, file.file_id, ByteRange(0, 99)) == DATA[:100], "a range is not checked by itself"


async def test_an_element_tells_what_it_is_and_lists_what_it_has(ingester: StorageClient, admin: StorageClient) -> None:
    files = [await upload(ingester, bytes(n)) for n in range(5)]
    info = await admin.info(on_behalf_of=ANNA)
    assert (info.storage_id, info.mode, info.writable, info.max_file_size) == ("se-edit-01", Mode.EDIT, True, 8 * MIB)
    assert info.available_bytes > 0
    page = await admin.files(FileStatus.ACTIVE, PageRequest(limit=1000), on_behalf_of=ANNA)
    assert page.total == info.files[FileStatus.ACTIVE] == len(page.items)
    assert [each.file_id for each in page.items][-5:] == [each.file_id for each in files]
    first = await admin.files(None, PageRequest(limit=2), on_behalf_of=ANNA)
    second = await admin.files(None, PageRequest(limit=2, cursor=first.next_cursor), on_behalf_of=ANNA)
    assert len({each.file_id for each in [*first.items, *second.items]}) == 4


async def test_those_who_read_documents_get_them_as_they_lie_on_the_disk(
    ingester: StorageClient, admin: StorageClient, calls: Calls, edit: RunningElement
) -> None:
    written = [await upload(ingester, bytes(n), temporary(tags=("ж",), metadata={"n": n})) for n in range(3)]
    cursor, pages, files = "", list[FileListing](), list[FileAttributes]()
    while True:
        page = await admin.all_files(PageRequest(limit=7, cursor=cursor), on_behalf_of=ANNA)
        pages.append(page)
        files += page.items
        cursor = page.next_cursor
        if not page.has_more:
            break
    assert files[-3:] == written
    assert [page.position is not None for page in pages] == [True, *(False for _ in pages[1:])]
    assert files == list((await admin.files(None, PageRequest(limit=1000), on_behalf_of=ANNA)).items)
    stub = storage_pb2_grpc.StorageReadServiceStub(calls.channel(calls.certificates.module("admin")))
    last = storage_pb2.ListFilesRequest(
        page=wire.page_request_to_proto(PageRequest(limit=1, offset=len(files) - 1)), document_version=1
    )
    told = await stub.ListFiles(last, metadata=metadata.on_behalf_of(ANNA), timeout=20)
    [path] = edit.data.rglob(f"*{written[-1].file_id}*.attr.json")
    assert (list(told.documents), list(told.files)) == ([path.read_bytes()], [])
    last.status = wire.status_to_proto(FileStatus.ACTIVE)
    told = await stub.ListFiles(last, metadata=metadata.on_behalf_of(ANNA), timeout=20)
    assert not told.documents, "a page of one status is for people"
    # Somebody edits one by hand and seals it again: the page with it comes as messages, and nothing is missing.
    path.write_bytes(seal(dict(reversed(unseal(path.read_bytes()).items()))))
    last.status = wire.status_to_proto(None)
    told = await stub.ListFiles(last, metadata=metadata.on_behalf_of(ANNA), timeout=20)
    assert (list(told.documents), [each.file_id for each in told.files]) == ([], [written[-1].file_id])
    page = await admin.all_files(PageRequest(limit=1000), on_behalf_of=ANNA)
    assert list(page.items) == files


async def test_metrics_say_what_was_done(calls: Calls, ingester: StorageClient) -> None:
    await upload(ingester, b"x")
    metrics = await calls.element.process.metrics()
    for expected in (
        'se_operations_total{operation="upload",result="OK"}',
        "se_files_total{status=",
        'se_storage_bytes{kind="available"}',
        "se_writable 1.0",
        "se_grpc_requests_total{",
        "se_grpc_request_duration_seconds_bucket{",
    ):
        assert expected in metrics


async def test_readiness_tells_of_disk_and_index(edit: RunningElement) -> None:
    health = await edit.process.health()
    assert {"filesystem", "index"} <= set(health["checks"])
    assert health["status"] == "ok"
