"""Updates and deletions through a real ingester and a real element, and the process itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import grpc
import pytest
from artstore.ingester.v1 import ingester_pb2, ingester_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from clients import metadata
from clients.ingester import IngesterClient
from services.chassis.faults import translated
from services.ingester import rpc
from services.model.errors import (
    Forbidden,
    MetadataTooLarge,
    ModeNotAllowed,
    NotFound,
    PreconditionFailed,
    StorageUnavailable,
    ValidationFailed,
)
from services.model.files import FileAttributes, FileChange, FileStatus, NewFile, RetentionPolicy
from tests.doubles.documents import a_file, an_element, new_id
from tests.service.ingester.conftest import Ground
from tests.support.elements import RunningElement
from tests.support.processes import free_port

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def some_content() -> AsyncIterator[bytes]:
    yield b"some content"


async def stored(ground: Ground, client: IngesterClient) -> FileAttributes:
    """A document on the real element."""
    return await client.upload(
        NewFile("a.pdf", RetentionPolicy.TEMPORARY, description="old", tags=("x",)),
        some_content(),
        on_behalf_of=ground.somebody(),
    )


async def test_a_change_is_on_the_disk_and_in_the_registry(ground: Ground, client: IngesterClient) -> None:
    file = await stored(ground, client)
    change = FileChange(description="new", metadata={"n": 1})
    changed = await client.update_file(file.file_id, change, file.revision, on_behalf_of=ground.somebody())
    assert changed == replace(
        file, description="new", metadata={"n": 1}, revision=2, updated_at=changed.updated_at, epoch=changed.epoch
    )
    assert ground.admin.rows[file.file_id][1] == changed


async def test_a_change_of_another_revision_is_refused(ground: Ground, client: IngesterClient) -> None:
    file = await stored(ground, client)
    with pytest.raises(PreconditionFailed):
        await client.update_file(file.file_id, FileChange(tags=()), 7, on_behalf_of=ground.somebody())
    assert ground.admin.rows[file.file_id][1] == file


@pytest.mark.parametrize(
    ("change", "error"), [(FileChange(), ValidationFailed), (FileChange(description="ж" * 4000), MetadataTooLarge)]
)
async def test_a_change_that_cannot_be_made_is_refused(
    ground: Ground, client: IngesterClient, change: FileChange, error: type[Exception]
) -> None:
    file = await stored(ground, client)
    with pytest.raises(error):
        await client.update_file(file.file_id, change, on_behalf_of=ground.somebody())


async def test_deleting_works_once_and_again(ground: Ground, client: IngesterClient) -> None:
    file = await stored(ground, client)
    deleted = await client.delete_file(file.file_id, on_behalf_of=ground.somebody())
    assert (deleted.status, deleted.deleted_by) == (FileStatus.DELETED, "sa_somebody_1")
    assert ground.admin.rows[file.file_id][1] == deleted
    assert await client.delete_file(file.file_id, on_behalf_of=ground.somebody()) == deleted


async def test_an_element_that_forbids_deletion_is_obeyed(ground: Ground, client: IngesterClient) -> None:
    element = await RunningElement.start(ground.folder, ground.certificates, "se-rw-01", "rw")
    try:
        ground.admin.candidates = [element.address]
        file = await client.upload(
            NewFile("a", RetentionPolicy.PERMANENT), some_content(), on_behalf_of=ground.somebody()
        )
        with pytest.raises(ModeNotAllowed):
            await client.delete_file(file.file_id, on_behalf_of=ground.somebody())
        assert ground.admin.rows[file.file_id][1] == file
    finally:
        await asyncio.to_thread(element.process.stop)


async def test_an_unknown_document_is_not_found(ground: Ground, client: IngesterClient) -> None:
    with pytest.raises(NotFound):
        await client.delete_file(new_id(), on_behalf_of=ground.somebody())
    with pytest.raises(NotFound):
        await client.update_file(new_id(), FileChange(tags=()), on_behalf_of=ground.somebody())


async def test_an_element_that_is_not_there_is_told(ground: Ground, client: IngesterClient) -> None:
    file, nobody = a_file(), an_element("se-played-01", f"127.0.0.1:{free_port()}")
    ground.admin.candidates = [nobody]
    ground.admin.rows[file.file_id] = (nobody.element_id, file)
    with pytest.raises(StorageUnavailable):
        await client.delete_file(file.file_id, on_behalf_of=ground.somebody())
    assert ground.admin.rows[file.file_id][1] == file


async def test_an_id_that_is_none_is_refused_by_name(ground: Ground, channel: grpc.aio.Channel) -> None:
    stub = ingester_pb2_grpc.IngestServiceStub(channel)
    with pytest.raises(ValidationFailed, match="file_id"), translated():
        await stub.DeleteFile(
            ingester_pb2.DeleteFileRequest(file_id="../etc"), metadata=metadata.bearer(ground.somebody()), timeout=9
        )


async def test_without_the_scope_nothing_is_changed(ground: Ground, client: IngesterClient) -> None:
    with pytest.raises(Forbidden):
        await client.delete_file(new_id(), on_behalf_of=ground.somebody("files:read"))


async def test_every_method_of_the_contract_is_served(ground: Ground, channel: grpc.aio.Channel) -> None:
    for method in ingester_pb2.DESCRIPTOR.services_by_name["IngestService"].methods:
        call: grpc.aio.StreamStreamMultiCallable[bytes, bytes]
        call = channel.stream_stream(f"/{rpc.SERVICE}/{method.name}")
        assert await call(iter([b""]), timeout=9).code() is grpc.StatusCode.UNAUTHENTICATED, method.name


async def test_its_services_are_told_by_reflection(ground: Ground, channel: grpc.aio.Channel) -> None:
    stub: Any = reflection_pb2_grpc.ServerReflectionStub(channel)  # type: ignore[arg-type]  # types know no aio

    async def question() -> AsyncIterator[reflection_pb2.ServerReflectionRequest]:
        yield reflection_pb2.ServerReflectionRequest(list_services="")

    async for answer in stub.ServerReflectionInfo(question(), timeout=9):
        assert rpc.SERVICE in {service.name for service in answer.list_services_response.service}


async def test_a_process_that_is_told_to_stop_lets_uploads_end(ground: Ground, client: IngesterClient) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield bytes(1 << 20)
        begun.set()
        await go_on.wait()
        yield b"the rest"

    uploading = asyncio.create_task(
        client.upload(NewFile("a", RetentionPolicy.TEMPORARY), slow(), on_behalf_of=ground.somebody())
    )
    try:
        await begun.wait()
        await ground.eventually(lambda: ground.real.leftovers() != [])
        stopping = asyncio.create_task(asyncio.to_thread(ground.process.stop))
        await ground.eventually(lambda: "stopping" in ground.process.log)
        go_on.set()
        assert (await uploading).size == (1 << 20) + 8
        assert await stopping == 0
    finally:
        await ground.start_ingester()


async def test_no_secret_is_in_the_log(ground: Ground, client: IngesterClient) -> None:
    await stored(ground, client)
    token = ground.somebody().token
    assert token
    assert token.split(".")[2] not in ground.process.log
    assert "Bearer" not in ground.process.log
