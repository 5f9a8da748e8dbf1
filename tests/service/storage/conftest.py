"""A real element over mutual TLS, called as its peers call it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
import pytest_asyncio
from artstore.storage.v1 import storage_pb2

from clients.frames import encode_chunk
from clients.storage import StorageClient
from services.chassis.caller import Identity
from services.chassis.channel import element_server_name, open_channel
from services.chassis.tls import TlsFiles
from services.model.files import ByteRange, FileAttributes, NewFile, RetentionPolicy, UploadCommit
from services.model.ids import FileId, Subject
from tests.doubles.documents import new_id
from tests.support.certificates import Certificates
from tests.support.elements import RunningElement

PATIENCE = 20.0
MIB = 1 << 20
ANNA = Identity(Subject("anna"), frozenset({"files:read", "files:write", "storage:read"}))


class Calls:
    """One element, and the ways to call it; channels are closed with it."""

    def __init__(self, element: RunningElement, certificates: Certificates) -> None:
        self.element, self.certificates = element, certificates
        self._channels: list[grpc.aio.Channel] = []

    def channel(self, tls: TlsFiles, address: str = "") -> grpc.aio.Channel:
        storage_id = self.element.address.storage_id
        address = address or self.element.address.endpoint
        channel = open_channel(address, server_name=element_server_name(storage_id), tls=tls)
        self._channels.append(channel)
        return channel

    def as_(self, module: str, address: str = "") -> StorageClient:
        """A client with the certificate of a module."""
        return StorageClient(self.channel(self.certificates.module(module), address))

    async def close(self) -> None:
        for channel in self._channels:
            await channel.close()


def temporary(**changes: object) -> NewFile:
    """A small temporary file that is about to be uploaded."""
    fields: dict[str, Any] = {
        "file_id": new_id(),
        "original_filename": "Договор №7.pdf",
        "retention_policy": RetentionPolicy.TEMPORARY,
    }
    return NewFile(**{**fields, **changes})


async def upload(
    client: StorageClient, data: bytes, new: NewFile | None = None, *, sha256: str | None = None
) -> FileAttributes:
    """Upload `data` in chunks of 300,000 bytes."""
    async with client.upload(new or temporary(), on_behalf_of=ANNA) as sending:
        await sending.send(chunks(data))
        return await sending.commit(UploadCommit(len(data), sha256))


async def chunks(data: bytes, size: int = 300_000) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield encode_chunk(data[start : start + size])


async def download(client: StorageClient, file_id: FileId, wanted: ByteRange | None = None) -> bytes:
    """All bytes of a download that ended with its trailer."""
    async with client.download(file_id, wanted, on_behalf_of=ANNA) as receiving:
        frames = [storage_pb2.DownloadResponse.FromString(frame) async for frame in receiving.frames()]
    data = b"".join(frame.chunk for frame in frames[:-1])
    assert frames[-1].trailer.size == len(data)
    assert frames[-1].trailer.sha256 == (receiving.file.sha256 if wanted is None else "")
    return data


async def eventually(holds: Callable[[], bool]) -> None:
    """Return once it does; for what another process does without telling."""
    async with asyncio.timeout(PATIENCE):
        while not holds():  # noqa: ASYNC110 - see above
            await asyncio.sleep(0.02)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("tls"))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def edit(tmp_path_factory: pytest.TempPathFactory, certificates: Certificates) -> AsyncIterator[RunningElement]:
    """An element in mode `edit` for all tests of a module."""
    folder = tmp_path_factory.mktemp("edit")
    element = await RunningElement.start(folder, certificates, "se-edit-01", "edit", MAX_FILE_SIZE="8MiB")
    try:
        yield element
    finally:
        assert element.process.stop() == 0


@pytest_asyncio.fixture(loop_scope="module")
async def calls(edit: RunningElement, certificates: Certificates) -> AsyncIterator[Calls]:
    made = Calls(edit, certificates)
    yield made
    await made.close()


@pytest.fixture
def ingester(calls: Calls) -> StorageClient:
    return calls.as_("ingester")


@pytest.fixture
def query(calls: Calls) -> StorageClient:
    return calls.as_("query")


@pytest.fixture
def admin(calls: Calls) -> StorageClient:
    return calls.as_("admin")


DATA = os.urandom(2 * MIB + 12345)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """For elements that a test starts and stops itself."""
    return tmp_path
