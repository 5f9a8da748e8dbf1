"""Cutting one operation after each call to the strict double, and looking at what is left.

`tests/faults` does the same for a table of operations; this is for tests that look closer.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import random
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from services.model.errors import NotFound
from services.model.files import FileAttributes
from services.model.ids import ElementUuid, FileId
from services.storage.ports import Files
from services.storage.store.element import Element
from services.storage.store.wal import reading
from services.storage.store.wal.segments import Segments
from tests.doubles.disks import SKIPPED, Call, PowerCut, StrictDisk, WatchedDisk
from tests.support.storage_store import content_of, opened, store
from tests.unit.storage.samples import attributes

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


def worth_cutting(calls: list[Call]) -> list[int]:
    """Before which calls, and behind the last one: at the others the disk is as it was at the one before."""
    return [number for number, call in enumerate(calls) if call.changes] + [len(calls)]


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


def _copied(folder: Path) -> Path:
    """A copy of a folder, so that one run does not see what another did."""
    copy = folder.with_name(f"{folder.name}-{next(_numbers)}")
    shutil.copytree(folder, copy)
    return copy


_numbers = itertools.count(1)
