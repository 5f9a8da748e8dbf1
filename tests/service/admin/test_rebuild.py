"""A real Admin beside real elements: what changes on a disk is in the registry, and the disks alone bring it back."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from clients.frames import encode_chunk
from clients.storage import StorageClient, StoragePool
from services.chassis.caller import Identity
from services.model.elements import Element
from services.model.files import FileAttributes, FileChange, NewFile, RetentionPolicy, UploadCommit
from services.model.ids import FileId, Subject
from tests.doubles.documents import new_id
from tests.service.admin.ground import Admin
from tests.support.elements import RunningElement
from tests.support.postgres import PostgresServer

SOON = 5.0
"""Seconds within which a change on a disk is in the registry."""
SOMEBODY = Identity(Subject("sa_scanner_x1"), frozenset({"files:read", "files:write", "storage:read", "storage:write"}))
FOLLOWED = "SELECT count(*) FROM admin.element_feeds"
ROWS = """
SELECT to_jsonb(f) - 'recorded_at' - 'element_id' AS row, e.storage_id
FROM admin.files f JOIN admin.elements e USING (element_id)
"""


@pytest.fixture
async def elements(own: Admin, tmp_path: Path) -> AsyncIterator[list[RunningElement]]:
    """One for each policy; nobody has registered them. What is deleted is destroyed at once."""
    made = [
        await RunningElement.start(tmp_path, own.certificates, storage_id, mode, GC_GRACE="0s", GC_INTERVAL="1h")
        for storage_id, mode in (("se-edit-01", "edit"), ("se-rw-01", "rw"))
    ]
    yield made
    for each in made:
        each.process.stop()


@pytest.fixture
async def pool(own: Admin) -> AsyncIterator[StoragePool]:
    """The elements as the ingester meets them: it stores there, and registers nothing."""
    async with StoragePool(own.certificates.module("ingester")) as made:
        yield made


async def registered(admin: Admin, element: RunningElement) -> Element:
    client = admin.as_("gateway")
    return (await client.register_element(element.address.endpoint, on_behalf_of=await admin.user()))[0]


async def stored(element: StorageClient, name: str, content: bytes, policy: RetentionPolicy) -> FileAttributes:
    new_file = NewFile(name, policy, file_id=new_id(), tags=("x",), metadata={"n": 1}, declared_size=len(content))

    async def chunks() -> AsyncIterator[bytes]:
        yield encode_chunk(content)

    async with element.upload(new_file, on_behalf_of=SOMEBODY) as upload:
        await upload.send(chunks())
        return await upload.commit(UploadCommit(len(content)))


async def dump(admin: Admin) -> dict[str, Any]:
    """The registry as it is, in one form: everything but when rows changed, and under which id elements are known."""
    connection = await asyncpg.connect(admin.database.owner_dsn)
    try:
        rows = [(json.loads(row["row"]), row["storage_id"]) for row in await connection.fetch(ROWS)]
    finally:
        await connection.close()
    return {row["file_id"]: {**row, "element": storage_id} for row, storage_id in rows}


async def becomes(admin: Admin, true: Callable[[dict[str, Any]], bool], seconds: float = 30.0) -> dict[str, Any]:
    async with asyncio.timeout(seconds):
        while not true(seen := await dump(admin)):  # noqa: ASYNC110 - only looking tells
            await asyncio.sleep(0.05)
    return seen


async def followed(admin: Admin, count: int) -> None:
    """Return once so many feeds are followed."""
    connection = await asyncpg.connect(admin.database.owner_dsn)
    async with asyncio.timeout(30):
        while await connection.fetchval(FOLLOWED) < count:  # noqa: ASYNC110 - only looking tells
            await asyncio.sleep(0.05)
    await connection.close()


async def again(admin: Admin, element: RunningElement, **settings: str) -> RunningElement:
    """The same element in a new process."""
    storage_id, folder = element.address.storage_id, element.data.parent
    return await RunningElement.start(folder, admin.certificates, storage_id, "rw", port=element.port, **settings)


async def test_the_disks_alone_bring_the_registry_back(
    own: Admin, elements: list[RunningElement], pool: StoragePool, postgres: PostgresServer
) -> None:
    edit, rw = (pool.client(each.address) for each in elements)
    before_registration = [
        await stored(edit, f"draft {number}.txt", b"x" * number, RetentionPolicy.TEMPORARY) for number in range(3)
    ]
    for each in elements:
        await registered(own, each)
    await becomes(own, lambda rows: len(rows) == 3)
    await followed(own, 2)

    # Everything that may happen to a document, behind the registry's back: only the feed tells of it.
    kept = [await stored(rw, f"Договор №{n}.pdf", b"y" * n, RetentionPolicy.PERMANENT) for n in range(20)]
    await rw.update(kept[0].file_id, FileChange(description="signed", tags=("a", "b")), on_behalf_of=SOMEBODY)
    deleted = before_registration[0].file_id
    await edit.delete(deleted, on_behalf_of=SOMEBODY)

    def told(rows: dict[str, Any]) -> bool:
        return (
            len(rows) == 23
            and rows[deleted]["status"] == "deleted"
            and rows[kept[0].file_id]["description"] == "signed"
        )

    before = await becomes(own, told, SOON)

    # The registry is lost: an empty database, and the same elements registered again.
    assert own.process.stop() == 0
    own.database = await postgres.create_database()
    own.environment["AM_POSTGRES_DSN"] = own.database.owner_dsn
    own.environment["AM_QUERY_ROLE"] = own.database.query_role
    await own.migrate()
    await own.start()
    for each in elements:
        await registered(own, each)
    after = await becomes(own, lambda rows: len(rows) == 23)
    assert after == before


async def test_what_happened_while_admin_was_away_is_caught_up_with(
    own: Admin, elements: list[RunningElement], pool: StoragePool
) -> None:
    rw = pool.client(elements[1].address)
    await registered(own, elements[1])
    await followed(own, 1)
    own.process.kill()
    missed = await stored(rw, "missed.txt", b"x", RetentionPolicy.PERMANENT)
    await own.start()
    await becomes(own, lambda rows: missed.file_id in rows, SOON)

    # The same after the element was away, and after it came back with a feed that is another one.
    elements[1].process.kill()
    elements[1] = await again(own, elements[1])
    back = await stored(rw, "back.txt", b"x", RetentionPolicy.PERMANENT)
    await becomes(own, lambda rows: back.file_id in rows, 10)
    elements[1].process.stop()
    shutil.rmtree(elements[1].data / ".wal")
    elements[1] = await again(own, elements[1])
    other = await stored(rw, "other.txt", b"x", RetentionPolicy.PERMANENT)
    await becomes(own, lambda rows: other.file_id in rows, 20)
    assert "another one now" in own.process.log


async def test_an_element_that_was_restored_from_a_backup_is_believed(
    own: Admin, elements: list[RunningElement], pool: StoragePool
) -> None:
    data = elements[1].data
    rw = pool.client(elements[1].address)
    await registered(own, elements[1])
    await followed(own, 1)
    earlier, another, same = [await stored(rw, f"{n}.txt", b"x", RetentionPolicy.PERMANENT) for n in range(3)]
    elements[1].process.stop()
    shutil.copytree(data, data.with_name("backup"))
    elements[1] = await again(own, elements[1])
    for each in (earlier, another):
        await rw.update(each.file_id, FileChange(description="before"), on_behalf_of=SOMEBODY)
    await becomes(own, lambda rows: [row["description"] for row in rows.values()].count("before") == 2, 10)

    # The disk goes back in time, and one document comes to the same revision by another way.
    elements[1].process.stop()
    for folder in (data, data.with_name(f"{data.name}.index")):
        shutil.rmtree(folder)
    shutil.copytree(data.with_name("backup"), data)
    newest = max(int(each.name) for each in (data / ".epochs").iterdir())
    elements[1] = await again(own, elements[1], RESTORED=str(newest))
    await rw.update(another.file_id, FileChange(description="after"), on_behalf_of=SOMEBODY)

    def believed(rows: dict[str, Any]) -> bool:
        found = [rows[each.file_id] for each in (earlier, another, same)]
        return [(row["revision"], row["description"]) for row in found] == [(1, ""), (2, "after"), (1, "")]

    await becomes(own, believed, 20)


async def test_what_garbage_collection_destroys_stays_known_as_deleted(
    own: Admin, elements: list[RunningElement], pool: StoragePool
) -> None:
    edit = pool.client(elements[0].address)
    element = await registered(own, elements[0])
    await followed(own, 1)
    one = await stored(edit, "draft.txt", b"x", RetentionPolicy.TEMPORARY)
    await edit.delete(one.file_id, on_behalf_of=SOMEBODY)
    async with StoragePool(own.certificates.module("admin")) as admins:
        collected = await admins.client(elements[0].address).control.run_gc(on_behalf_of=SOMEBODY)
    assert collected.destroyed == 1
    await becomes(own, lambda rows: rows.get(one.file_id, {}).get("status") == "deleted", SOON)
    operation, _ = await own.operations().sync_element(element.element_id, on_behalf_of=await own.user())
    done = await own.operations().get_operation(operation.id, on_behalf_of=await own.user())
    assert done.failure is None
    assert (await dump(own))[FileId(one.file_id)]["status"] == "deleted"
