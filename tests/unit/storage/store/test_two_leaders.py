"""A lock that lies: both are told that they have it. The second takes over at every single step of what the first does.

Never two commits for one file, and nothing that was acknowledged is lost, whoever acknowledged it.
"""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.model.errors import FileDeleted, NotFound, StorageUnavailable
from services.model.feed import Destroyed
from services.model.files import FileAttributes, FileStatus
from services.model.ids import FileId, Subject
from services.storage.domain.documents import Document
from services.storage.domain.modes import ModeState
from services.storage.domain.names import ATTRIBUTES_SUFFIX
from services.storage.store.element import Element, open_element
from tests.doubles.clock import FakeClock
from tests.doubles.disks import SKIPPED, Call, StrictDisk, WatchedDisk
from tests.support.storage_store import content_of, opened, options, store
from tests.unit.storage.samples import FILE_ID, OTHER_ID, attributes

ROOT = Path("/strict/data")
OLD, NEW, THEIRS = b"old" * 1000, b"new" * 1000, b"theirs" * 1000
NOW = datetime(2026, 11, 21, 3, 40, tzinfo=UTC)
Action = Callable[[Element], Awaitable[object]]


async def create(element: Element) -> FileAttributes:
    return await store(element.files, attributes(file_id=OTHER_ID), NEW)


async def create_small(element: Element) -> FileAttributes:
    a = attributes(file_id=OTHER_ID, size=len(NEW))
    return await element.files.store(OTHER_ID, NEW, lambda sha256: replace(a, sha256=sha256))


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


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.__name__)
async def test_a_takeover_at_any_step_leaves_one_outcome(tmp_path: Path, memory: Path, action: Action) -> None:
    start = await base(memory / "base")
    at, refused, acknowledged = 0, 0, 0
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
                try:
                    answer = await action(first)
                    acknowledged += 1
                except StorageUnavailable:
                    answer = None
                    refused += 1
                if both.second is None:
                    break
                await check(first, both, both.second, answer)
        shutil.rmtree(folder)
        at += 1
    assert refused, "the fence has kept the first one from committing"
    assert acknowledged, "what was committed before the fence stands"


async def check(first: Element, both: TwoLeaders, second: Element, answer: object) -> None:
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
