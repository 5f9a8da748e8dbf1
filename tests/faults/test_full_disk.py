"""A really full disk: a real element on a file system of 64 MiB."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from clients.storage import StorageClient
from services.chassis.caller import Identity
from services.model.errors import StorageFull
from services.model.files import FileAttributes, FileChange, FileStatus
from services.model.ids import StorageId, Subject
from tests.doubles.documents import an_element
from tests.faults.images import mounted, needs_mounts
from tests.faults.size import luck
from tests.service.storage.conftest import ANNA, Calls, download, eventually, upload
from tests.support.certificates import Certificates, environment
from tests.support.elements import RunningElement
from tests.support.processes import Running, free_port

MIB = 1 << 20
DISK = 64 * MIB
KEEPER = Identity(Subject("keeper"), frozenset({"storage:write"}))
RESERVE = 4 * MIB
pytestmark = needs_mounts


@asynccontextmanager
async def running(disk: Path, folder: Path) -> AsyncIterator[Calls]:
    """An element on the disk, its index too; it may fill it to the brim."""
    port, ops = free_port(), free_port()
    certificates = Certificates(folder / "tls")
    process = Running.start(
        "services.storage",
        {
            **environment("SE_", certificates.element("se-1")),
            "SE_PORT": str(port),
            "SE_OPS_PORT": str(ops),
            "SE_STORAGE_ID": "se-1",
            "SE_DATA_DIR": str(disk / "data"),
            "SE_INDEX_DIR": str(disk / "index"),
            "SE_INIT": "true",
            "SE_MIN_FREE_SPACE": "0",
            "SE_GC_GRACE": "0s",
            "SE_GC_INTERVAL": "1d",
            "SE_LOG_FORMAT": "text",
        },
        ops_port=ops,
        log=folder / "se-1.log",
    )
    try:
        await process.ready()
        address = an_element(StorageId("se-1"), f"127.0.0.1:{port}")
        calls = Calls(RunningElement(process, address, disk / "data"), certificates)
        yield calls
        await calls.close()
    finally:
        process.stop()


async def fill(client: StorageClient, size: int) -> list[FileAttributes]:
    """Upload until it is refused."""
    data, stored = luck("fill", size).randbytes(size), list[FileAttributes]()
    while True:
        try:
            stored.append(await upload(client, data))
        except StorageFull:
            return stored


async def test_a_full_disk_refuses_clearly_and_works_again_without_a_restart(tmp_path: Path) -> None:
    with mounted(tmp_path, DISK) as image:
        async with running(image.folder, tmp_path) as calls:
            ingester, query, admin = (calls.as_(name) for name in ("ingester", "query", "admin"))
            assert (calls.element.data / ".reserve").stat().st_blocks * 512 >= RESERVE
            stored = [*await fill(ingester, 3 * MIB), *await fill(ingester, 100_000)]
            stuffing = image.folder / "stuffing"  # whatever else lies on that disk takes the rest
            await asyncio.to_thread(stuff, stuffing)
            with pytest.raises(StorageFull):
                await upload(ingester, b"x" * 5000)
            assert (await calls.element.process.health())["status"] == "ok"

            # Reading works, and so do changes, deletes and collecting, for which the reserve is given up.
            assert len(await download(query, stored[0].file_id)) == 3 * MIB
            changed = await ingester.update(stored[1].file_id, FileChange(description="new"), on_behalf_of=ANNA)
            assert changed.revision == 2
            for file in stored[2:5]:
                deleted = await ingester.delete(file.file_id, on_behalf_of=ANNA)
                assert deleted.status is FileStatus.DELETED
            assert not (calls.element.data / ".reserve").exists()
            assert "the reserve was given up" in calls.element.process.log
            collected = await admin.control.run_gc(on_behalf_of=KEEPER)
            assert collected.destroyed == 3

            # There is room again: it is used for the reserve first, and writing works.
            await eventually((calls.element.data / ".reserve").exists)
            again = await upload(ingester, b"y" * MIB)
            assert await download(query, again.file_id) == b"y" * MIB
            kept = {file.file_id for file in [*stored[:2], *stored[5:], again]}
        async with running(image.folder, tmp_path) as calls:
            for file_id in kept:
                await calls.as_("query").file(file_id, on_behalf_of=ANNA)
            assert not calls.element.leftovers()


async def test_an_element_that_is_killed_on_a_full_disk_starts_and_can_be_tidied(tmp_path: Path) -> None:
    with mounted(tmp_path, DISK) as image:
        async with running(image.folder, tmp_path) as calls:
            stored = await fill(calls.as_("ingester"), 3 * MIB)
            await asyncio.to_thread(stuff, image.folder / "stuffing")
            calls.element.process.kill()
        async with running(image.folder, tmp_path) as calls:
            for file in stored:
                assert len(await download(calls.as_("query"), file.file_id)) == 3 * MIB
            for file in stored[:3]:
                await calls.as_("ingester").delete(file.file_id, on_behalf_of=ANNA)
            assert (await calls.as_("admin").control.run_gc(on_behalf_of=KEEPER)).destroyed == 3
            await eventually((calls.element.data / ".reserve").exists)
            await upload(calls.as_("ingester"), b"x" * MIB)


def stuff(path: Path) -> None:
    """Take all the room that is left."""
    with path.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while True:
                    file.write(os.urandom(size))
            except OSError:
                continue
