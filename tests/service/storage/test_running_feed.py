"""The change feed of real elements: nothing is told twice, nothing is left out, whatever happens to the process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from clients.storage import StorageClient, StoragePool
from services.chassis.caller import Identity
from services.model.elements import Mode
from services.model.errors import ArtStoreError, FeedReset, Forbidden
from services.model.feed import Change, ChangeKind, FeedPosition
from services.model.files import FileChange
from services.model.ids import Subject
from services.model.paging import PageRequest
from tests.service.storage.conftest import upload
from tests.support.certificates import Certificates
from tests.support.elements import RunningElement

ANNA = Identity(Subject("anna"), frozenset({"files:read", "files:write", "storage:read", "storage:write"}))
PATIENCE = 30.0


class Ground:
    """One element on a disk that outlives its process."""

    def __init__(self, folder: Path, certificates: Certificates) -> None:
        self.folder, self.certificates = folder, certificates

    @asynccontextmanager
    async def running(self, mode: str = "edit", **settings: str) -> AsyncIterator[RunningElement]:
        element = await RunningElement.start(self.folder, self.certificates, "se-1", mode, **settings)
        try:
            yield element
        finally:
            element.process.stop()

    @asynccontextmanager
    async def asked(self, element: RunningElement, module: str = "admin") -> AsyncIterator[StorageClient]:
        """Its client with the certificate of that module."""
        async with StoragePool(self.certificates.module(module)) as pool:
            yield pool.client(element.address)


@pytest.fixture
def ground(tmp_path: Path, certificates: Certificates) -> Ground:
    return Ground(tmp_path, certificates)


async def position(admin: StorageClient) -> FeedPosition:
    """Where the feed stands, as the first page of a listing says."""
    listing = await admin.files(None, PageRequest(limit=1), on_behalf_of=ANNA)
    assert listing.position is not None
    return listing.position


async def told(admin: StorageClient, since: FeedPosition, until: int) -> list[Change]:
    """The changes after `since` up to the one of that number."""
    changes: list[Change] = []
    async with asyncio.timeout(PATIENCE), admin.feed.watch(since, on_behalf_of=ANNA) as frames:
        assert await anext(frames) == since
        reached = since.number
        async for frame in frames:
            reached = frame.number
            if isinstance(frame, Change):
                changes.append(frame)
            if reached >= until:
                break
    return changes


async def test_everything_that_happens_is_told_and_a_restart_loses_nothing(ground: Ground) -> None:
    async with (
        ground.running("edit", GC_GRACE="0s") as element,
        ground.asked(element) as admin,
        ground.asked(element, "ingester") as ingester,
    ):
        begin = await position(admin)
        assert begin.feed_id.startswith((await admin.info(on_behalf_of=ANNA)).element_uuid)
        file_id = (await upload(ingester, b"one")).file_id
        await ingester.update(file_id, FileChange(description="new"), on_behalf_of=ANNA)
        await ingester.delete(file_id, on_behalf_of=ANNA)
        await admin.control.run_gc(on_behalf_of=ANNA)
        end = await position(admin)
        live = await told(admin, begin, end.number)
    kinds = ["created", "updated", "deleted", "purged"]
    assert [each.kind for each in live] == kinds
    assert live[-1].destroyed is not None
    async with ground.running() as element, ground.asked(element) as admin:
        assert await position(admin) == end, "a restart is no change"
        again = await told(admin, begin, end.number)
        assert [(each.number, each.kind, each.file_id) for each in again] == [
            (each.number, each.kind, file_id) for each in live
        ]
        assert again[-1].destroyed == live[-1].destroyed
        assert [each.file for each in again] == [None] * 4, "it is no more, and that is told last"
        page = await admin.feed.destroyed("", 10, on_behalf_of=ANNA)
        assert page.items == (live[-1].destroyed,)


async def test_a_change_of_the_mode_is_told_with_a_number(ground: Ground) -> None:
    async with ground.running("rw") as element, ground.asked(element) as admin:
        begin = await position(admin)
        await admin.control.transition_mode(Mode.RO, confirm=False, on_behalf_of=ANNA)
        await admin.control.transition_mode(Mode.AR, confirm=False, on_behalf_of=ANNA)
        end = await position(admin)
    async with ground.running("rw", MODE_OVERRIDE="rw@3") as element, ground.asked(element) as admin:
        first, second, third = await told(admin, begin, (await position(admin)).number)
        assert {each.kind for each in (first, second, third)} == {ChangeKind.MODE_CHANGED}
        assert begin.number < first.number < second.number == end.number < third.number
        assert third.mode is not None
        assert (third.mode.mode, third.mode.revision, third.mode.changed_by) == (Mode.RW, 4, "SE_MODE_OVERRIDE")


async def test_a_watch_gives_signs_of_life_and_ends_when_the_element_stops(ground: Ground) -> None:
    async with ground.running() as element, ground.asked(element) as admin:
        async with asyncio.timeout(PATIENCE), admin.feed.watch(None, on_behalf_of=ANNA) as frames:
            first, second = await anext(frames), await anext(frames)
            assert first == second == await position(admin)
            began = asyncio.get_running_loop().time()
            stopping = asyncio.create_task(asyncio.to_thread(element.process.stop))
            with pytest.raises(ArtStoreError) as raised:
                await anext(frames)
            assert raised.value.code in {"SERVICE_UNAVAILABLE", "STORAGE_UNAVAILABLE"}
        assert await stopping == 0
        assert asyncio.get_running_loop().time() - began < 10, "a watch hinders no drain"


async def test_whoever_does_not_know_this_feed_is_told_to_begin_anew(ground: Ground) -> None:
    async with ground.running() as element, ground.asked(element) as admin, ground.asked(element, "query") as query:
        present = await position(admin)
        for wrong in (
            FeedPosition("another", present.number),
            FeedPosition(present.feed_id, present.number + 1),
            FeedPosition(present.feed_id, -1),
        ):
            with pytest.raises(FeedReset):
                await told(admin, wrong, 0)
        with pytest.raises(Forbidden):
            await told(query, present, 0)
