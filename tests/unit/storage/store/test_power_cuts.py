"""The power goes after each single call to the file system, and what was not synced may be there or not.

Afterwards each file is wholly there or wholly absent, and what was acknowledged is there. The disk is the strict
double: a real one commits things on its own account and so forgives what it should not.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import random
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from services.model.errors import ArtStoreError, NotFound
from services.model.files import FileAttributes, FileStatus
from services.model.ids import ElementUuid, FileId
from services.model.paging import PageRequest
from services.storage.domain.names import ATTRIBUTES_SUFFIX
from services.storage.ports import Files
from services.storage.store.element import Element
from services.storage.store.fs import CREATE, FileSystem
from services.storage.store.wal import reading
from services.storage.store.wal.segments import Segments
from tests.doubles.disks import SKIPPED, Call, PowerCut, StrictDisk, WatchedDisk
from tests.support.storage_store import content_of, opened, store
from tests.unit.storage.samples import FILE_ID, attributes

ROOT = Path("/strict/data")
LATER_ID = FileId("01b20000-0000-7000-8000-000000000000")
"""Of another year: every folder on its way is new."""
OLD, NEW = b"old" * 1000, b"new" * 1000
State = tuple[FileAttributes, bytes] | None
"""A file as it is served; None: there is none."""
Action = Callable[[Files], Awaitable[FileAttributes]]


class Everything(random.Random):
    """The luck by which nothing is lost: what a killed process leaves behind."""

    def random(self) -> float:
        return 0.0

    def choice(self, seq: object) -> object:  # type: ignore[override]
        assert isinstance(seq, list)
        return seq[1]


LUCKS: list[random.Random | None] = [None, Everything(), *(random.Random(seed) for seed in range(3))]  # noqa: S311 - luck


async def create(files: Files) -> FileAttributes:
    return await store(files, attributes(file_id=LATER_ID), NEW)


async def create_undeclared(files: Files) -> FileAttributes:
    return await store(files, attributes(file_id=LATER_ID), NEW, declared=False)


async def update(files: Files) -> FileAttributes:
    return await files.change(FILE_ID, lambda d: replace(d.attributes, description="new", revision=2))


async def delete(files: Files) -> FileAttributes:
    return await files.change(FILE_ID, lambda d: replace(d.attributes, status=FileStatus.DELETED, revision=2))


ACTIONS = [create, create_undeclared, update, delete]


@dataclass
class Outcome:
    """What is left when the power has gone."""

    disk: StrictDisk
    folder: Path
    """Where the index lies as the cut left it."""
    answer: FileAttributes | None
    """What was acknowledged before it went."""


async def base(folder: Path) -> tuple[StrictDisk, FileAttributes]:
    """An element with one file, closed cleanly; its index lies in `folder`."""
    disk = StrictDisk(ROOT)
    async with opened(folder, fs=disk, data_dir=ROOT) as element:
        stored = await store(element.files, attributes(), OLD)
    return disk.copy(), stored


async def calls_of(start: Path, disk: StrictDisk, action: Action) -> list[Call]:
    """The calls that an undisturbed `action` makes."""
    watched = WatchedDisk(disk.copy())
    async with opened(_copied(start), fs=watched, data_dir=ROOT) as element:
        first = len(watched.calls)
        await action(element.files)
        return watched.calls[first:]


async def cut(start: Path, disk: StrictDisk, action: Action, calls: int, skip: int | None = None) -> Outcome:
    """Begin `action`, and let the power go after so many calls. `skip`: the call of this number is not made."""
    watched, folder, answer = WatchedDisk(disk.copy()), _copied(start), None
    left = folder.with_name(f"{folder.name}-left")
    with contextlib.suppress(PowerCut):
        async with opened(folder, fs=watched, data_dir=ROOT) as element:
            first = len(watched.calls)

            def count(call: Call) -> object:
                number = len(watched.calls) - first - 1
                if number >= calls:
                    raise PowerCut
                return SKIPPED if number == skip else None

            watched.before = count
            try:
                answer = await action(element.files)
            finally:
                # The index as the cut leaves it: leaving the element would close it properly.
                shutil.copytree(folder, left)
                watched.cut_after(0)
    assert isinstance(watched.inner, StrictDisk)
    return Outcome(watched.inner, left, answer)


async def states_after(outcome: Outcome, luck: random.Random | None) -> tuple[State, State]:
    """Restart on what the cut left; both files as they are served. A second start must change nothing."""
    disk = outcome.disk.crash(luck)
    if outcome.answer is not None:
        assert not history_of(disk).open, "what was acknowledged is committed in the journal"
    async with opened(_copied(outcome.folder), fs=disk, data_dir=ROOT) as element:
        # Before anybody looks at the files themselves, which would correct it.
        indexed = [row and row.revision for row in map(element._parts.index.get, (FILE_ID, LATER_ID))]
        found = await state(element, FILE_ID), await state(element, LATER_ID)
        assert indexed == [each and each[0].revision for each in found], "the index knows the disk as it is"
        listed = (await element.files.page(None, PageRequest())).items
        assert {each.file_id for each in listed} == {each[0].file_id for each in found if each}
        assert not [path for path in disk.paths() if path.startswith("incoming/")], "leftovers are removed"
    before = kept(disk)
    alone = [path for path in before if path.startswith("files/") and not path.endswith(ATTRIBUTES_SUFFIX)]
    assert all(path + ATTRIBUTES_SUFFIX in before for path in alone), "data that only a begin names are removed"
    async with opened(outcome.folder.with_name("new"), fs=disk, data_dir=ROOT) as element:
        assert (await state(element, FILE_ID), await state(element, LATER_ID)) == found
    assert kept(disk) == before
    shutil.rmtree(outcome.folder.with_name("new"))
    return found


async def state(element: Element, file_id: FileId) -> State:
    """A file as it is served."""
    try:
        document = await element.files.find(file_id)
    except NotFound:
        return None
    return document.attributes, await content_of(element.files, document.attributes)


def history_of(disk: StrictDisk) -> reading.History:
    """What the journals say, read from a copy."""
    element = ElementUuid(json.loads(disk.paths()["element.json"])["element_uuid"])
    return reading.read(Segments(disk.crash(None), ROOT / ".wal"), element)


def kept(disk: StrictDisk) -> dict[str, bytes]:
    """What a restart must not change."""
    return {
        path: data for path, data in disk.paths().items() if not path.startswith((".epochs/", ".wal/", "incoming/"))
    }


def check(action: Action, old: FileAttributes, found: tuple[State, State], answer: FileAttributes | None) -> None:
    """What may be there: the old state or the new one, and only the new one if it was acknowledged."""
    first, second = found
    if action in (create, create_undeclared):
        assert first == (old, OLD)
        assert second is None or second[1] == NEW
        assert answer is None or second == (answer, NEW)
    else:
        assert second is None
        assert first is not None
        assert first[1] == OLD
        assert first[0] == old or first[0].revision == 2
        assert answer is None or first[0] == answer


@pytest.mark.parametrize("action", ACTIONS)
async def test_a_power_cut_at_any_call_leaves_every_file_whole_or_absent(action: Action, memory: Path) -> None:
    start = memory / "start"
    disk, old = await base(start)
    total = len(await calls_of(start, disk, action))
    assert total >= 10, "there is something to cut"
    for number in range(total + 1):
        outcome = await cut(start, disk, action, number)
        assert (outcome.answer is not None) == (number == total)
        for luck in LUCKS:
            check(action, old, await states_after(outcome, luck), outcome.answer)


@pytest.mark.parametrize("action", [create, update])
async def test_recovery_is_cut_off_at_any_call_and_repeated(action: Action, memory: Path) -> None:
    start = memory / "start"
    disk, old = await base(start)
    calls = await calls_of(start, disk, action)
    renames = [number for number, call in enumerate(calls) if call.name == "rename"]
    for number in (*renames, renames[-1] + 1, len(calls) - 1):
        outcome = await cut(start, disk, action, number)
        left = outcome.disk.crash(Everything())
        total = len(await _start(outcome.folder, left, None))
        assert total >= 30
        for calls_made in range(total):
            for luck in (None, random.Random(calls_made)):  # noqa: S311 - luck
                watched = WatchedDisk(outcome.disk.crash(Everything()))
                await _start(outcome.folder, watched, calls_made)
                assert isinstance(watched.inner, StrictDisk)
                check(action, old, await states_after(Outcome(watched.inner, outcome.folder, None), luck), None)


async def _start(folder: Path, disk: FileSystem, calls: int | None) -> list[Call]:
    """Start on what is left, and let the power go after so many calls (None: never); the calls that were made."""
    watched = disk if isinstance(disk, WatchedDisk) else WatchedDisk(disk)
    if calls is not None:
        watched.cut_after(calls)
    copy = _copied(folder)
    with contextlib.suppress(PowerCut):
        async with opened(copy, fs=watched, data_dir=ROOT):
            pass
    shutil.rmtree(copy)
    return watched.calls


@pytest.mark.parametrize("action", [create, update])
async def test_each_single_sync_is_needed_and_its_absence_noticed(action: Action, memory: Path) -> None:
    """Sabotage: without any one of them a power cut at the worst moment loses or tears something."""
    start = memory / "start"
    disk, old = await base(start)
    calls = await calls_of(start, disk, action)
    syncs = [number for number, call in enumerate(calls) if call.name in ("fsync", "fdatasync")]
    if action is update:  # its folders were synced by the process before; what if not, is tested in test_durable
        first = next(number for number, call in enumerate(calls) if call == Call("open", (call.arguments[0], CREATE)))
        syncs = [number for number in syncs if number > first]
    assert len(syncs) >= 2
    for skip in syncs:
        assert await _noticed(start, disk, action, old, len(calls), skip), (
            f"nobody noticed call {skip} of {list(map(str, calls))}"
        )


async def _noticed(start: Path, disk: StrictDisk, action: Action, old: FileAttributes, total: int, skip: int) -> bool:
    for number in range(total, skip, -1):
        outcome = await cut(start, disk, action, number, skip)
        for luck in (None, *(random.Random(seed) for seed in range(30))):  # noqa: S311 - luck
            try:
                check(action, old, await states_after(outcome, luck), outcome.answer)
            except (AssertionError, ArtStoreError):
                return True
    return False


def _copied(folder: Path) -> Path:
    """A copy of a folder, so that one run does not see what another did."""
    copy = folder.with_name(f"{folder.name}-{next(_numbers)}")
    shutil.copytree(folder, copy)
    return copy


_numbers = itertools.count(1)
