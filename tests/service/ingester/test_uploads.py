"""Documents on their way through a real ingester to a real element."""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import AsyncIterator
from datetime import timedelta

import grpc
import pytest
from artstore.ingester.v1 import ingester_pb2, ingester_pb2_grpc

from clients import frames, metadata, wire
from clients.ingester import IngesterClient
from services.chassis.faults import translated
from services.chassis.tokens import SKEW
from services.model.errors import (
    ArtStoreError,
    ChecksumMismatch,
    Conflict,
    FileTooLarge,
    Forbidden,
    MetadataTooLarge,
    NoElementAvailable,
    ServiceUnavailable,
    StorageFull,
    StorageUnavailable,
    Unauthorized,
    ValidationFailed,
)
from services.model.files import FileAttributes, FileStatus, NewFile, RetentionPolicy, UploadCommit
from tests.doubles.documents import an_element, new_id
from tests.service.ingester.conftest import PATIENCE, Ground
from tests.support.peer import Peer, like_an_element
from tests.support.processes import free_port

pytestmark = pytest.mark.asyncio(loop_scope="module")

MIB = 1 << 20
CONTENT = random.Random(7).randbytes(3 * MIB + 17)  # noqa: S311 - the same in every run
NEW = NewFile("Договор №7.pdf", RetentionPolicy.TEMPORARY, content_type="application/pdf", tags=("a", "b", "a"))


async def pieces(content: bytes, size: int = 65_536) -> AsyncIterator[bytes]:
    for start in range(0, len(content), size):
        yield content[start : start + size]


async def upload(
    ground: Ground, client: IngesterClient, content: bytes, new_file: NewFile = NEW, sha256: str | None = None
) -> FileAttributes:
    async with asyncio.timeout(PATIENCE):
        return await client.upload(new_file, pieces(content), sha256=sha256, on_behalf_of=ground.somebody())


@pytest.mark.parametrize("content", [b"", b"x", CONTENT], ids=["empty", "one byte", "3 MiB and 17 bytes"])
async def test_a_document_is_on_the_disk_and_in_the_registry(
    ground: Ground, client: IngesterClient, content: bytes
) -> None:
    file = await upload(ground, client, content, sha256=hashlib.sha256(content).hexdigest())
    assert (file.size, file.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert (file.original_filename, file.tags, file.status) == (NEW.original_filename, ("a", "b"), FileStatus.ACTIVE)
    assert (file.uploaded_by, file.ttl) == ("sa_somebody_1", timedelta(days=30))
    assert ground.admin.rows[file.file_id] == (ground.real.address.element_id, file)
    (stored,) = (ground.real.data / "files").rglob(f"*{file.file_id}*.pdf")
    assert stored.read_bytes() == content
    assert ground.real.leftovers() == []


async def test_admin_is_asked_with_the_policy_and_the_size(ground: Ground, client: IngesterClient) -> None:
    await upload(ground, client, b"abc", NewFile("a", RetentionPolicy.TEMPORARY, declared_size=3))
    assert ground.admin.selected == [(RetentionPolicy.TEMPORARY, 3)]


async def test_a_repetition_gives_the_same_document(ground: Ground, client: IngesterClient) -> None:
    new_file = NewFile("a", RetentionPolicy.TEMPORARY, file_id=new_id())
    first = await upload(ground, client, b"abc", new_file)
    assert await upload(ground, client, b"abc", new_file) == first
    with pytest.raises(Conflict):
        await upload(ground, client, b"abd", new_file)
    assert len(ground.admin.selected) == 1


async def test_a_wrong_digest_keeps_nothing(ground: Ground, client: IngesterClient) -> None:
    kept = ground.real.kept()
    with pytest.raises(ChecksumMismatch):
        await upload(ground, client, CONTENT, sha256=hashlib.sha256(b"other").hexdigest())
    assert (ground.real.kept(), ground.real.leftovers(), ground.admin.rows) == (kept, [], {})


@pytest.mark.parametrize("declared", [9 * MIB, None], ids=["declared", "undeclared"])
async def test_too_large_a_document_keeps_nothing(ground: Ground, client: IngesterClient, declared: int | None) -> None:
    kept = ground.real.kept()
    new_file = NewFile("a", RetentionPolicy.TEMPORARY, declared_size=declared)
    with pytest.raises(FileTooLarge):
        await upload(ground, client, bytes(9 * MIB), new_file)
    assert (ground.real.kept(), ground.real.leftovers(), ground.admin.rows) == (kept, [], {})


async def test_a_refusal_comes_while_the_sender_is_silent(ground: Ground, client: IngesterClient) -> None:
    async def then_silence() -> AsyncIterator[bytes]:
        yield bytes(9 * MIB)
        await asyncio.Event().wait()

    async with asyncio.timeout(PATIENCE):
        with pytest.raises(FileTooLarge):
            await client.upload(NEW, then_silence(), on_behalf_of=ground.somebody())


@pytest.mark.parametrize(
    ("new_file", "error"),
    [
        (NewFile("", RetentionPolicy.TEMPORARY), ValidationFailed),
        (NewFile("a", RetentionPolicy.TEMPORARY, ttl=timedelta(days=400)), ValidationFailed),
        (NewFile("a", RetentionPolicy.TEMPORARY, ttl=timedelta(hours=5)), ValidationFailed),
        (NewFile("a", RetentionPolicy.PERMANENT, ttl=timedelta(days=4)), ValidationFailed),
        (NewFile("a", RetentionPolicy.TEMPORARY, description="ж" * 4000), MetadataTooLarge),
    ],
)
async def test_a_wrong_document_is_refused(
    ground: Ground, client: IngesterClient, new_file: NewFile, error: type[ArtStoreError]
) -> None:
    with pytest.raises(error):
        await upload(ground, client, b"abc", new_file)


async def test_the_best_element_that_accepts_gets_the_document(ground: Ground, client: IngesterClient) -> None:
    ground.admin.candidates = [ground.played_address, ground.real.address]
    ground.played.refuses_header = StorageFull("full")
    file = await upload(ground, client, CONTENT)
    assert ground.admin.rows[file.file_id][0] == ground.real.address.element_id
    assert len(ground.played.callers) == 1


async def test_an_element_that_is_not_there_is_passed_over(ground: Ground, client: IngesterClient) -> None:
    nobody = an_element("se-played-01", f"127.0.0.1:{free_port()}")
    ground.admin.candidates = [nobody, ground.real.address]
    file = await upload(ground, client, CONTENT)
    assert ground.admin.rows[file.file_id][0] == ground.real.address.element_id


async def test_a_small_document_whose_answer_was_lost_is_asked_for_again_and_registered(
    ground: Ground, client: IngesterClient
) -> None:
    ground.admin.candidates = [ground.played_address, ground.real.address]
    ground.played.breaks_off_stores = 1
    file = await upload(ground, client, b"abc")
    assert list(ground.admin.rows) == [file.file_id] == list(ground.played.files)
    assert len(ground.played.callers) == 2


async def test_a_small_document_that_may_have_been_kept_goes_nowhere_else(
    ground: Ground, client: IngesterClient
) -> None:
    ground.admin.candidates = [ground.played_address, ground.real.address]
    ground.played.breaks_off_stores = 2
    kept = ground.real.kept()
    with pytest.raises(StorageUnavailable, match=r"look for it under the id [0-9a-f-]{36} before sending it again"):
        await upload(ground, client, b"abc")
    assert (ground.real.kept(), ground.admin.rows) == (kept, {})


@pytest.mark.parametrize("size", [10, 300_000])
async def test_small_documents_need_one_call_and_larger_ones_a_stream(
    ground: Ground, client: IngesterClient, size: int
) -> None:
    async def streams() -> str:
        metrics = await ground.real.process.metrics()
        return "".join(line for line in metrics.splitlines() if 'StorageWriteService/Upload"' in line)

    before = await streams()
    await upload(ground, client, bytes(size))
    assert (await streams() != before) == (size > 256 << 10)


async def test_an_element_learns_the_user_and_not_his_token(ground: Ground, client: IngesterClient) -> None:
    ground.admin.candidates = [ground.played_address]
    await upload(ground, client, b"abc")
    (seen,) = ground.played.callers
    assert (seen.module, seen.user.subject, seen.user.token) == ("ingester", "sa_somebody_1", None)
    assert seen.user.scopes == {"files:read", "files:write"}


async def test_once_content_was_taken_a_full_element_is_told_and_no_other_tried(
    ground: Ground, client: IngesterClient
) -> None:
    ground.admin.candidates = [ground.played_address, ground.real.address]
    ground.played.refuses_content, ground.played.refuses_after = StorageFull("full"), MIB
    kept = ground.real.kept()
    with pytest.raises(StorageFull):
        await upload(ground, client, CONTENT)
    assert ground.real.kept() == kept


async def test_without_any_element_the_sender_is_told_why(ground: Ground, client: IngesterClient) -> None:
    ground.admin.refuses_to_select = NoElementAvailable("no online storage element takes temporary documents")
    with pytest.raises(NoElementAvailable, match="temporary"):
        await upload(ground, client, CONTENT)


async def test_an_element_that_dies_in_the_middle_is_told(ground: Ground, client: IngesterClient) -> None:
    mortal = Peer(ground.certificates.element("se-played-01"), like_an_element(), ground.played.add_to)
    await mortal.start()
    ground.admin.candidates = [an_element("se-played-01", mortal.address)]

    async def until_dead() -> AsyncIterator[bytes]:
        yield CONTENT
        await ground.eventually(lambda: ground.played.received >= MIB)
        await mortal.stop()
        await asyncio.Event().wait()

    async with asyncio.timeout(PATIENCE):
        with pytest.raises(StorageUnavailable):
            await client.upload(NEW, until_dead(), on_behalf_of=ground.somebody())
    assert ground.admin.rows == {}


async def test_while_admin_is_away_the_sender_is_told_before_its_first_byte(
    ground: Ground, client: IngesterClient
) -> None:
    await upload(ground, client, b"abc")  # the keys are known from now on
    await ground.admin_peer.stop()
    try:
        with pytest.raises(ServiceUnavailable) as told:
            await upload(ground, client, CONTENT)
    finally:
        await ground.admin_back(client)
    assert told.value.retry_after


async def test_a_registration_waits_for_an_admin_that_restarts(ground: Ground, client: IngesterClient) -> None:
    ground.admin.registers.clear()
    uploading = asyncio.create_task(upload(ground, client, CONTENT))
    await asyncio.wait_for(ground.admin.registering.wait(), PATIENCE)
    await ground.admin_peer.stop()
    ground.admin.registers.set()
    await ground.admin_peer.start()
    file = await uploading
    assert ground.admin.rows[file.file_id][1] == file


async def test_a_sender_that_leaves_after_its_commit_has_a_registered_document(
    ground: Ground, client: IngesterClient
) -> None:
    ground.admin.registers.clear()
    uploading = asyncio.create_task(upload(ground, client, CONTENT))
    await asyncio.wait_for(ground.admin.registering.wait(), PATIENCE)
    uploading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await uploading
    ground.admin.registers.set()
    await ground.eventually(lambda: len(ground.admin.rows) == 1)


async def test_a_token_may_expire_while_the_content_comes(ground: Ground, client: IngesterClient) -> None:
    expiring = ground.somebody(expires_in=-SKEW + 2)

    async def slowly() -> AsyncIterator[bytes]:
        yield CONTENT
        await ground.eventually(lambda: ground.real.leftovers() != [])
        await asyncio.sleep(3)
        with pytest.raises(Unauthorized):
            await client.delete_file(new_id(), on_behalf_of=expiring)

    file = await client.upload(NEW, slowly(), on_behalf_of=expiring)
    assert ground.admin.rows[file.file_id][1] == file


@pytest.mark.parametrize("scope", ["files:read", ""])
async def test_without_the_scope_nothing_is_taken(ground: Ground, client: IngesterClient, scope: str) -> None:
    with pytest.raises(Forbidden):
        await client.upload(NEW, pieces(b"abc"), on_behalf_of=ground.somebody(scope))
    assert ground.admin.selected == []


async def test_without_a_token_nothing_is_taken(ground: Ground, client: IngesterClient) -> None:
    with pytest.raises(Unauthorized):
        await client.upload(NEW, pieces(b"abc"), on_behalf_of=None)


def header() -> bytes:
    return ingester_pb2.UploadRequest(header=wire.new_file_to_proto(NEW)).SerializeToString()


async def raw(ground: Ground, channel: grpc.aio.Channel, *messages: bytes) -> None:
    """Exactly these messages, and the end of the stream."""
    call: grpc.aio.StreamUnaryMultiCallable[bytes, bytes] = channel.stream_unary(
        "/artstore.ingester.v1.IngestService/Upload"
    )

    async def stream() -> AsyncIterator[bytes]:
        for message in messages:
            yield message

    with translated():
        await call(stream(), metadata=metadata.bearer(ground.somebody()), timeout=PATIENCE)


CHUNK = frames.encode_chunk(CONTENT[:MIB])
COMMIT = ingester_pb2.UploadRequest(commit=wire.commit_to_proto(UploadCommit(MIB))).SerializeToString()


@pytest.mark.parametrize(
    "messages",
    [(), (CHUNK,), (header(),), (header(), CHUNK), (header(), CHUNK, header()), (header(), CHUNK + COMMIT),
     (header(), b""), (header(), frames.encode_chunk(bytes(MIB + 1)), COMMIT), (header(), b"\xff\xff", COMMIT)],
    ids=["nothing", "no header", "only a header", "no commit", "two headers", "a commit hidden in a chunk",
         "an empty frame", "too large a chunk", "garbage"],
)  # fmt: skip
async def test_a_stream_that_is_no_upload_keeps_nothing(
    ground: Ground, channel: grpc.aio.Channel, messages: tuple[bytes, ...]
) -> None:
    kept = ground.real.kept()
    with pytest.raises(ValidationFailed):
        await raw(ground, channel, *messages)
    await ground.eventually(lambda: ground.real.leftovers() == [])
    assert (ground.real.kept(), ground.admin.rows) == (kept, {})


async def test_decoded_and_encoded_again_it_is_the_same_upload(ground: Ground, channel: grpc.aio.Channel) -> None:
    stub = ingester_pb2_grpc.IngestServiceStub(channel)

    async def stream() -> AsyncIterator[ingester_pb2.UploadRequest]:
        yield ingester_pb2.UploadRequest(header=wire.new_file_to_proto(NEW))
        yield ingester_pb2.UploadRequest(chunk=CONTENT[:MIB])
        yield ingester_pb2.UploadRequest(commit=wire.commit_to_proto(UploadCommit(MIB)))

    answer = await stub.Upload(stream(), metadata=metadata.bearer(ground.somebody()), timeout=PATIENCE)
    assert wire.file_from_proto(answer.file).sha256 == hashlib.sha256(CONTENT[:MIB]).hexdigest()
