"""A lock that lies: both are told that they have it. The second takes over at every single step of what the first does.

Never two commits for one file, and nothing that was acknowledged is lost, whoever acknowledged it.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from services.model.errors import ArtStoreError, FileDeleted, NotFound, StorageUnavailable
from services.model.feed import Destroyed
from services.model.files import FileAttributes, FileStatus
from services.model.ids import FileId, Subject
from services.model.maintenance import Issue
from services.storage.domain.documents import Document
from services.storage.domain.modes import ModeState
from services.storage.domain.names import ATTRIBUTES_SUFFIX
from services.storage.ports import Whole
from services.storage.store.element import Element, open_element
from services.storage.store.fs import WRITE
from tests.doubles.clock import FakeClock
from tests.doubles.disks import SKIPPED, Call, StrictDisk, WatchedDisk
from tests.support.storage_keeping import Keeper, found
from tests.support.storage_store import content_of, opened, options, store
from tests.unit.storage.samples import FILE_ID, OTHER_ID, attributes

ROOT = Path("/strict/data")
OLD, NEW, THEIRS, WRONG = b"old" * 1000, b"new" * 1000, b"theirs" * 1000, b"bad" * 1000
NOW = datetime(2026, 11, 21, 3, 40, tzinfo=UTC)
Action = Callable[[Element], Awaitable[object]]


async def create(element: Element) -> FileAttributes:
    return await store(element.files, attributes(file_id=OTHER_ID), NEW)


async def create_small(element: Element) -> FileAttributes:
    a = attributes(file_id=OTHER_ID, size=len(NEW))
    return await element.files.store(Whole(OTHER_ID, NEW, lambda sha256: replace(a, sha256=sha256)))


async def update(element: Element) -> FileAttributes:
    return await element.files.change(FILE_ID, lambda d: replace(d.attributes, description="new", revision=2))


async def purge(element: Element) -> Destroyed | None:
    return await element.files.destroy(FILE_ID, _line)


async def change_mode(element: Element) -> ModeState:
    state = replace(element.mode, revision=element.mode.revision + 1, changed_by=Subject("first"))
    await element.modes.keep(state)
    return state


ACTIONS = [create, create_small, update, purge, change_mode]


def _line(document: Document) -> Destroyed:
    a = document.attributes
    return Destroyed(a.file_id, a.size, a.sha256, FileStatus.DELETED, a.uploaded_by, NOW, NOW)


class TwoLeaders:
    """One element on a disk whose lock everybody gets."""

    def __init__(self, folder: Path, disk: StrictDisk, stack: contextlib.ExitStack) -> None:
        self.disk, self._folder, self._stack = disk, folder, stack
        self.second: Element | None = None

    def lying(self) -> WatchedDisk:
        watched = WatchedDisk(self.disk)
        watched.before = self.lie
        return watched

    @staticmethod
    def lie(call: Call) -> object:
        return SKIPPED if call.name == "lock" else None

    def take_over(self) -> None:
        """The second one opens the element, wherever the first one is."""
        opening = open_element(
            options(self._folder, data_dir=ROOT, index_dir=self._folder / "second"), clock=FakeClock(), fs=self.lying()
        )
        self.second = self._stack.enter_context(opening)


async def base(folder: Path) -> StrictDisk:
    disk = StrictDisk(ROOT)
    async with opened(folder, fs=disk, data_dir=ROOT) as element:
        await store(element.files, attributes(), OLD)
    return disk.copy()


async def served(element: Element, file_id: FileId) -> tuple[FileAttributes, bytes] | None:
    """As it is read by whoever leads; None: there is none, or no more."""
    try:
        document = await element.files.find(file_id)
    except (NotFound, FileDeleted):
        return None
    return document.attributes, await content_of(element.files, document.attributes)


def documents(disk: StrictDisk, file_id: FileId) -> list[str]:
    return [
        path for path in disk.paths() if path.startswith("files/") and file_id in path and ATTRIBUTES_SUFFIX in path
    ]


@dataclass
class Overtaken:
    """Two leaders, the second of whom came while the first was doing something."""

    first: Element
    second: Element
    disk: StrictDisk
    answer: object
    """What the first one answered; None: nothing, he was refused."""


async def overtaken_at_each_step(memory: Path, start: StrictDisk, action: Action) -> AsyncIterator[Overtaken]:
    """`start`: the disk of the element whose index lies in `memory`/base."""
    at, answered, refused = 0, 0, 0
    while True:
        folder = memory / str(at)
        shutil.copytree(memory / "base", folder)
        with contextlib.ExitStack() as stack:
            both = TwoLeaders(folder, start.copy(), stack)
            watched = both.lying()
            async with opened(folder, fs=watched, data_dir=ROOT) as first:
                made = len(watched.calls)

                def overtake(
                    call: Call, both: TwoLeaders = both, watched: WatchedDisk = watched, last: int = made + at
                ) -> object:
                    if len(watched.calls) == last + 1:
                        both.take_over()
                    return both.lie(call)

                watched.before = overtake
                answer: object = None
                with contextlib.suppress(StorageUnavailable):
                    answer = await action(first)
                answered, refused = answered + bool(answer), refused + (not answer)
                if both.second is None:
                    break
                yield Overtaken(first, both.second, both.disk, answer)
        shutil.rmtree(folder)
        at += 1
    assert refused, "the fence has kept the first one from committing"
    assert answered > 1, "what was committed before the fence stands"


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.__name__)
async def test_a_takeover_at_any_step_leaves_one_outcome(memory: Path, action: Action) -> None:
    async for both in overtaken_at_each_step(memory, await base(memory / "base"), action):
        await check(both.first, both, both.second, both.answer)


async def check(first: Element, both: Overtaken, second: Element, answer: object) -> None:
    await second.rebuild()
    with pytest.raises((StorageUnavailable, NotFound, FileDeleted)):
        await first.files.change(FILE_ID, lambda d: replace(d.attributes, description="late", revision=9))
    new = await served(second, OTHER_ID)
    old = await served(second, FILE_ID)
    if isinstance(answer, FileAttributes) and answer.file_id == OTHER_ID:
        assert new == (answer, NEW)
    elif isinstance(answer, FileAttributes):
        assert old == (answer, OLD)
    elif isinstance(answer, Destroyed):
        assert old is None
    elif isinstance(answer, ModeState):
        assert second.mode == answer
    assert new is None or new[1] == NEW
    assert old is None or old[1] == OLD
    if new is None:  # nobody was told that it is there, so it may still become something else
        theirs = await store(second.files, attributes(file_id=OTHER_ID), THEIRS)
        assert await served(second, OTHER_ID) == (theirs, THEIRS)
        with pytest.raises(StorageUnavailable):
            await store(first.files, attributes(file_id=OTHER_ID), NEW)
        assert await served(second, OTHER_ID) == (theirs, THEIRS)
    assert len(documents(both.disk, OTHER_ID)) == 1
    assert len(documents(both.disk, FILE_ID)) == (0 if old is None else 1)
    epochs = {json.loads(both.disk.paths()[path])["epoch"] for path in documents(both.disk, OTHER_ID)}
    assert epochs <= {2, 3}


def keeper(element: Element) -> Keeper:
    clock = FakeClock(NOW)
    clock.advance(next(_minutes) * 60)
    return Keeper(element, clock, period=timedelta(0))


_minutes = itertools.count(1)


async def scrub(element: Element) -> bool:
    done = await keeper(element).scrub()
    return done is not None and done.failed == 0


async def reconcile(element: Element) -> bool:
    report = await keeper(element).reconcile(thorough=False)
    assert found(report).keys() <= {Issue.ORPHANED, Issue.MISSING}
    return bool(await keeper(element).quarantine())


async def put_back(element: Element) -> bool:
    for item in await keeper(element).quarantine():
        await keeper(element).restore(item.item_id, by=Subject("somebody"))
    return True


def data_of(disk: StrictDisk, where: str) -> Path:
    [name] = [path for path in disk.paths() if path.startswith(where) and OTHER_ID in path and path.endswith(".pdf")]
    return ROOT / name


def overwrite(disk: StrictDisk, path: Path, data: bytes) -> None:
    descriptor = disk.open(path, WRITE)
    disk.write(descriptor, data)
    disk.close(descriptor)


async def harmed(folder: Path, action: Action) -> StrictDisk:
    """Beside a file that is well there is one that has come to harm, as the action needs it."""
    disk = StrictDisk(ROOT)
    async with opened(folder, fs=disk, data_dir=ROOT) as element:
        await store(element.files, attributes(), OLD)
        await store(element.files, attributes(file_id=OTHER_ID), NEW)
    if action is reconcile:
        disk.unlink(data_of(disk, "files/").with_name(data_of(disk, "files/").name + ATTRIBUTES_SUFFIX))
        return disk.copy()
    overwrite(disk, data_of(disk, "files/"), WRONG)
    if action is put_back:
        async with opened(folder, fs=disk, data_dir=ROOT) as element:
            assert await scrub(element)
        overwrite(disk, data_of(disk, "quarantine/"), NEW)
    return disk.copy()


@pytest.mark.parametrize(
    ("action", "bytes_", "end"),
    [(scrub, WRONG, FileStatus.DAMAGED), (reconcile, NEW, None), (put_back, NEW, FileStatus.ACTIVE)],
    ids=["scrub", "reconcile", "put_back"],
)
async def test_a_takeover_at_any_step_of_what_is_done_about_harm_loses_nothing(
    memory: Path, action: Action, bytes_: bytes, end: FileStatus | None
) -> None:
    async for both in overtaken_at_each_step(memory, await harmed(memory / "base", action), action):
        await both.second.rebuild()
        assert bytes_ in both.disk.paths().values(), "they are kept, wherever"
        if both.answer:
            assert await status(both.second) is end
        assert await action(both.second), "the second one does it, or finds it done"
        assert await status(both.second) is end
        assert len(documents(both.disk, OTHER_ID)) == (0 if end is None else 1)
        before = both.disk.paths()
        with contextlib.suppress(ArtStoreError):
            await action(both.first)
        changed = {path for path, data in both.disk.paths().items() if before.get(path) != data} | before.keys() - set(
            both.disk.paths()
        )
        assert changed == set(), "the first one changes nothing any more"
        assert await served(both.second, FILE_ID) == (await attributes_of(both.second, FILE_ID), OLD)


async def attributes_of(element: Element, file_id: FileId) -> FileAttributes:
    return (await element.files.find(file_id)).attributes


async def status(element: Element) -> FileStatus | None:
    """Of the file that came to harm; its bytes are right if it is served."""
    try:
        file = await attributes_of(element, OTHER_ID)
    except NotFound:
        return None
    return file.status
