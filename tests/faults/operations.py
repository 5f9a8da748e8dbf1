"""The table of everything that changes an element's disk: each line is stopped, cut and failed at every call.

A new operation is a line in `OPERATIONS`: on which ground it begins, and its steps. What must be true is not said here:
a file's state after a fault is the one before or after the step under way, and the one after if the step was answered.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from services.model.elements import Mode
from services.model.errors import StorageUnavailable
from services.model.feed import Destroyed
from services.model.files import FileAttributes, FileStatus, RetentionPolicy
from services.model.ids import FileId
from services.storage.domain.collecting import destruction, expired
from services.storage.domain.documents import Document
from services.storage.domain.modes import ModeState, parse_override
from services.storage.ports import Files
from services.storage.store.element import Element
from services.storage.store.fs import WRITE, FileSystem
from services.storage.usecases.collect_garbage import CollectGarbage
from services.storage.usecases.finishing import Finishing
from services.storage.usecases.mode_gate import ModeGate
from services.storage.usecases.transition_mode import TransitionMode
from tests.doubles.clock import FakeClock
from tests.doubles.disks import StrictDisk
from tests.faults.grounds import Ground
from tests.support.power_cuts import ROOT
from tests.support.storage_store import opened, store
from tests.unit.storage.samples import ANNA, FILE_ID, NOW, attributes

GONE_ID = FileId("01a1fc2c-de66-7086-91e3-b707ee2ab5d6")
"""Deleted on the ground `edit`, two days before the operation begins."""
ENDING_ID = FileId("01a1fc2c-de67-7086-91e3-b707ee2ab5d6")
"""Its end has come meanwhile."""
LATER_ID = FileId("01b20000-0000-7000-8000-000000000000")
"""Of another year: every folder on its way is new."""
BESIDE_ID = FileId("01a1fc2c-de68-7086-91e3-b707ee2ab5d6")
"""Of the same hour as those that are there."""
IDS = (FILE_ID, GONE_ID, ENDING_ID, LATER_ID, BESIDE_ID)

OLD, NEW = b"old" * 1000, b"new" * 1000
GRACE = timedelta(hours=24)


class House:
    """An open element, and who works on it."""

    def __init__(self, element: Element, clock: FakeClock) -> None:
        self.element, self.clock, self.files = element, clock, element.files
        self.gate, self.finishing = ModeGate(element.mode), Finishing()

    async def create(self, file_id: FileId, *, declared: bool = True) -> FileAttributes:
        return await store(self.files, attributes(file_id=file_id), NEW, declared=declared)

    async def update(self, file_id: FileId) -> FileAttributes:
        def decide(document: Document) -> FileAttributes:
            file = document.attributes
            return replace(file, description="new", updated_at=self.clock.now(), revision=file.revision + 1)

        return await self.files.change(file_id, decide)

    async def delete(self, file_id: FileId) -> FileAttributes:
        return await delete(self.files, file_id, self.clock)

    async def expire(self, file_id: FileId) -> FileAttributes:
        return await self.files.change(file_id, lambda document: expired(document, self.clock.now()))

    async def purge(self, file_id: FileId) -> Destroyed | None:
        return await self.files.destroy(file_id, lambda document: destruction(document, self.clock.now(), GRACE))

    async def collect(self) -> None:
        collect = CollectGarbage(
            gate=self.gate, files=self.files, collections=self.element.collections, clock=self.clock,
            finishing=self.finishing, grace=GRACE,
        )  # fmt: skip
        done = await collect()
        if done.refused or done.failed:
            raise StorageUnavailable(f"not all was collected: {done}")

    async def note_collection(self) -> None:
        await self.element.collections.keep(self.clock.now())

    async def rebuild(self) -> None:
        try:
            await self.element.rebuild()
        except OSError as error:  # the process logs it and tries again later
            raise StorageUnavailable("the index is incomplete") from error

    async def transition(self, target: Mode) -> ModeState:
        transition = TransitionMode(
            gate=self.gate, modes=self.element.modes, clock=self.clock, finishing=self.finishing
        )
        return await transition(target, confirmed=True, by=ANNA)


async def delete(files: Files, file_id: FileId, clock: FakeClock) -> FileAttributes:
    """As the element's own delete does."""

    def decide(document: Document) -> FileAttributes:
        file = document.attributes
        return replace(
            file, status=FileStatus.DELETED, deleted_at=clock.now(), deleted_by=ANNA, revision=file.revision + 1
        )

    return await files.change(file_id, decide)


Act = Callable[[House], Awaitable[object]]


@dataclass(frozen=True)
class Step:
    """What is answered as one."""

    act: Act
    keys: tuple[str, ...]
    """What of the world it changes (see `world.py`)."""


@dataclass(frozen=True)
class Operation:
    """One line of the table."""

    name: str
    steps: tuple[Step, ...] = ()
    """One after the other; none: the operation is the opening of the element itself."""
    ground: str = "edit"
    """Which element it begins on; see `make_ground`."""
    together: bool = False
    """The steps run at once, in threads; how their calls follow one another differs each time."""
    whole: bool = True
    """Where the disk is full nothing of it has happened; else some of it may have."""
    opening: dict[str, Any] = field(default_factory=dict)
    """What the opening says in addition."""

    def __str__(self) -> str:
        return self.name

    @property
    def single(self) -> bool:
        """Whether it is one transaction of a kind of its own."""
        return len(self.steps) == 1 and self.name not in ("upload-undeclared", "delete", "expire", "collect")


async def _opened(house: House) -> None:
    """Nothing more."""


OPENED = Step(_opened, ())
"""The one step of an operation that is an opening."""


def one(name: str, act: Act, *keys: str, **options: Any) -> Operation:
    """An operation of one step."""
    return Operation(name, (Step(act, keys),), **options)


OPERATIONS = (
    one("upload", lambda house: house.create(LATER_ID), LATER_ID),
    one("upload-undeclared", lambda house: house.create(LATER_ID, declared=False), LATER_ID),
    one("upload-beside", lambda house: house.create(BESIDE_ID), BESIDE_ID),
    one("update", lambda house: house.update(FILE_ID), FILE_ID),
    one("delete", lambda house: house.delete(FILE_ID), FILE_ID),
    one("expire", lambda house: house.expire(ENDING_ID), ENDING_ID),
    one("purge", lambda house: house.purge(GONE_ID), GONE_ID),
    one("collect", lambda house: house.collect(), ENDING_ID, GONE_ID, "gc", whole=False),
    one("mode", lambda house: house.transition(Mode.RO), "mode", ground="rw"),
    one("collection-noted", lambda house: house.note_collection(), "gc"),
    one("rebuild", lambda house: house.rebuild(), opening={"indexed": False}, ground="no-index"),
    Operation(
        "one-after-the-other",
        (
            Step(lambda house: house.create(BESIDE_ID), (BESIDE_ID,)),
            Step(lambda house: house.update(BESIDE_ID), (BESIDE_ID,)),
            Step(lambda house: house.delete(BESIDE_ID), (BESIDE_ID,)),
        ),
    ),
    Operation(
        "together",
        (
            Step(lambda house: house.create(LATER_ID), (LATER_ID,)),
            Step(lambda house: house.create(BESIDE_ID), (BESIDE_ID,)),
            Step(lambda house: house.update(FILE_ID), (FILE_ID,)),
            Step(lambda house: house.purge(GONE_ID), (GONE_ID,)),
        ),
        together=True,
    ),
    Operation("init", ground="empty"),
    Operation("start"),
    Operation("override", ground="archive", opening={"mode_override": parse_override("ro@3")}),
    Operation("wal-reset", ground="damaged-journal"),
)
"""Starting, taking over and recovering are the openings at the end; `test_*` also fail the recovery of each other."""


async def make_ground(name: str, folder: Path, *, strict: bool) -> Ground:
    """A closed element to begin on; all of it is durable. `folder`: a new one, in which its copies lie too."""
    place = folder / "ground-0"
    place.mkdir(parents=True)
    disk = StrictDisk(ROOT) if strict else None
    ground = Ground(place, disk)
    if name == "empty":
        if not strict:
            ground.data.mkdir()
        return ground
    clock = FakeClock(NOW)
    mode = Mode.RW if name in ("rw", "archive") else Mode.EDIT
    async with opened(place, clock=clock, fs=disk, data_dir=ground.data, mode=mode) as element:
        uuid = element.identity.element_uuid
        house = House(element, clock)
        if mode is Mode.RW:
            await store(
                house.files, attributes(retention_policy=RetentionPolicy.PERMANENT, ttl=None, expires_at=None), OLD
            )
        else:
            for file_id in (FILE_ID, GONE_ID, ENDING_ID):
                ends = NOW + timedelta(hours=1 if file_id == ENDING_ID else 720)
                await store(house.files, attributes(file_id=file_id, expires_at=ends), OLD)
            await house.delete(GONE_ID)
        if name == "archive":
            await house.transition(Mode.RO)
            await house.transition(Mode.AR)
    if name == "damaged-journal":
        _damage(disk or FileSystem(), ground.data / ".wal" / "0000000001" / "0000000001.seg")
        ground.opening["wal_reset"] = uuid
    if name == "no-index":
        for path in (place / "index").iterdir():
            path.unlink()
    if disk is not None:
        ground.strict = disk.copy()
    return ground


def _damage(fs: FileSystem, segment: Path) -> None:
    """Spoil its first frame: others follow it, so that it cannot be a torn tail."""
    descriptor = fs.open(segment, WRITE)
    fs.write(descriptor, b"AWJ1 is not what stands here")
    fs.fsync(descriptor)
    fs.close(descriptor)


async def attempt(operation: Operation, house: House, answered: set[Step]) -> None:
    """All of it, telling which steps were answered. Raises what the first one raised that was not."""

    async def take(step: Step) -> None:
        await step.act(house)
        answered.add(step)

    if not operation.together:
        for step in operation.steps:
            await take(step)
        return
    results = await asyncio.gather(*map(take, operation.steps), return_exceptions=True)
    for each in results:
        if isinstance(each, BaseException):
            raise each
