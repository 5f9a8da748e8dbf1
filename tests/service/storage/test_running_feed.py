"""The change feed of real elements: nothing is told twice, nothing is left out, whatever happens to the process."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from clients.storage import StorageClient, StoragePool
from services.chassis.caller import Identity
from services.model.elements import Mode
from services.model.errors import ArtStoreError, FeedReset, Forbidden
from services.model.feed import Change, ChangeKind, FeedPosition
from services.model.files import FileChange
from services.model.ids import FileId, Subject
from services.model.paging import PageRequest
from tests.doubles.documents import new_id
from tests.service.storage.conftest import temporary, upload
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


class Client:
    """Uploads, changes and deletes one file after the other, and knows what was acknowledged."""

    def __init__(self) -> None:
        self.acknowledged: dict[FileId, list[str]] = {}

    async def work(self, ingester: StorageClient) -> None:
        """Until the element is gone."""
        with contextlib.suppress(ArtStoreError):
            while True:
                new = temporary(file_id=new_id())
                assert new.file_id is not None
                done = self.acknowledged.setdefault(new.file_id, [])
                await upload(ingester, b"x" * 5000, new)
                done.append("created")
                await ingester.update(new.file_id, FileChange(description="new"), on_behalf_of=ANNA)
                done.append("updated")
                await ingester.delete(new.file_id, on_behalf_of=ANNA)
                done.append("deleted")


class Copy:
    """Follows an element as Admin does: it goes on from the last number it has seen."""

    def __init__(self, position: FeedPosition) -> None:
        self.position = position
        self.changes: list[Change] = []

    async def follow(self, admin: StorageClient) -> None:
        """Until the element is gone."""
        try:
            async with admin.feed.watch(self.position, on_behalf_of=ANNA) as frames:
                async for frame in frames:
                    if isinstance(frame, Change):
                        self.changes.append(frame)
                    self.position = FeedPosition(self.position.feed_id, frame.number)
        except FeedReset:
            raise
        except ArtStoreError:
            return


async def test_killed_in_the_middle_of_writes_it_tells_every_acknowledged_change_once_and_in_order(
    ground: Ground,
) -> None:
    clients, copy = [Client() for _ in range(6)], None
    for round_ in range(2):
        async with (
            ground.running() as element,
            ground.asked(element) as admin,
            ground.asked(element, "ingester") as ingester,
        ):
            copy = copy or Copy(await position(admin))
            following = asyncio.create_task(copy.follow(admin))
            working = [asyncio.create_task(client.work(ingester)) for client in clients]
            wanted = len(copy.changes) + 60 + 17 * round_
            async with asyncio.timeout(PATIENCE):
                while len(copy.changes) < wanted:  # noqa: ASYNC110 - what another process does
                    await asyncio.sleep(0.01)
            await asyncio.to_thread(element.process.kill)
            await asyncio.gather(following, *working)
    async with ground.running() as element, ground.asked(element) as admin:
        assert copy is not None
        end = await position(admin)
        copy.changes += await told(admin, copy.position, end.number)
    numbers = [each.number for each in copy.changes]
    assert numbers == sorted(set(numbers)), "each once, in order"
    kinds: dict[FileId, list[str]] = {}
    for each in copy.changes:
        assert each.file_id is not None
        kinds.setdefault(each.file_id, []).append(each.kind.value)
    acknowledged = {file_id: done for client in clients for file_id, done in client.acknowledged.items()}
    assert set(kinds) <= set(acknowledged)
    for file_id, done in acknowledged.items():
        found = kinds.get(file_id, [])
        assert found == ["created", "updated", "deleted"][: len(found)]
        assert len(done) <= len(found) <= len(done) + 1, "what was under way may have been kept, once"


async def test_whoever_stops_reading_keeps_nothing_waiting_and_is_told_everything_later(ground: Ground) -> None:
    changes, watchers = 800, 8
    async with (
        ground.running() as element,
        ground.asked(element) as admin,
        ground.asked(element, "ingester") as ingester,
    ):
        begin = await position(admin)
        files = [(await upload(ingester, b"x", temporary(description="d" * 2500))).file_id for _ in range(10)]

        async def change(numbers: Iterator[int]) -> None:
            for number in numbers:
                description = FileChange(description=f"{number:04} " + "d" * 2500)
                await ingester.update(files[number % 10], description, on_behalf_of=ANNA)

        async with contextlib.AsyncExitStack() as stack:
            stalled = []
            for _ in range(watchers):
                frames = await stack.enter_async_context(admin.feed.watch(begin, on_behalf_of=ANNA, silence=PATIENCE))
                assert await anext(frames) == begin
                stalled.append(frames)
            before = resident(element.process.pid)
            async with asyncio.timeout(2 * PATIENCE):
                numbers = iter(range(changes))  # shared: each takes the next
                await asyncio.gather(*(change(numbers) for _ in range(16)))
            assert resident(element.process.pid) - before < 48 << 20
            end = (await position(admin)).number
            async with asyncio.timeout(PATIENCE):
                found = [await anext(stalled[0])]
                while found[-1].number < end:
                    found.append(await anext(stalled[0]))
        numbers_told = [each.number for each in found]
        assert len(numbers_told) == changes + len(files)
        assert numbers_told == sorted(set(numbers_told))


def resident(pid: int) -> int:
    """Bytes of memory that a process holds."""
    [line] = [each for each in Path(f"/proc/{pid}/status").read_text().splitlines() if each.startswith("VmRSS")]
    return int(line.split()[1]) << 10
