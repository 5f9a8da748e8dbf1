"""The elements on which the operations begin."""

from __future__ import annotations

import contextlib
from datetime import timedelta
from pathlib import Path

from services.model.elements import Mode
from services.model.files import RetentionPolicy
from services.storage.store.fs import WRITE, FileSystem
from tests.doubles.clock import FakeClock
from tests.doubles.disks import Call, PowerCut, StrictDisk
from tests.faults.grounds import Ground, ended
from tests.faults.house import ENDING_ID, GONE_ID, LATER_ID, OLD, OLDER, WRONG, House
from tests.support.power_cuts import ROOT
from tests.support.storage_store import opened, store
from tests.unit.storage.samples import FILE_ID, NOW, attributes


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
    uuid = await _fill(name, ground, disk)
    fs = disk or FileSystem()
    if name == "damaged-journal":
        # Others follow its first frame, so that it cannot be a torn tail.
        _overwrite(fs, ground.data / ".wal" / "0000000001" / "0000000001.seg", b"AWJ1 is not what stands here")
        ground.opening["wal_reset"] = uuid
    if name in ("spoiled", "aside"):
        _overwrite(fs, _bytes_of(ground, "files/"), WRONG)
    if name == "aside":
        async with ground.open() as (element, clock):
            await House(element, clock).verify(FILE_ID)
        _overwrite(fs, _bytes_of(ground, "quarantine/"), OLD)
    if name == "left-behind":
        await _leave_behind(ground)
    if name == "no-index":
        for path in (place / "index").iterdir():
            path.unlink()
    if disk is not None:
        ground.strict = disk.copy()
    return ground


async def _fill(name: str, ground: Ground, disk: StrictDisk | None) -> str:
    """Make an element there, with files in it; its uuid."""
    clock = FakeClock(NOW)
    mode = Mode.RW if name in ("rw", "archive") else Mode.EDIT
    async with opened(ground.folder, clock=clock, fs=disk, data_dir=ground.data, mode=mode) as element:
        house = House(element, clock)
        if mode is Mode.RW:
            await store(
                house.files, attributes(retention_policy=RetentionPolicy.PERMANENT, ttl=None, expires_at=None), OLD
            )
        else:
            for file_id in (FILE_ID, GONE_ID, ENDING_ID):
                ends = NOW + timedelta(hours=1 if file_id == ENDING_ID else 720)
                data = OLD if file_id == FILE_ID else OLDER
                await store(house.files, attributes(file_id=file_id, expires_at=ends), data)
            await house.delete(GONE_ID)
        if name == "archive":
            await house.transition(Mode.RO)
            await house.transition(Mode.AR)
        return element.identity.element_uuid


async def _leave_behind(ground: Ground) -> None:
    """A leader ends in the midst of a commit: the bytes of a file are at their place, its attributes are not."""
    disk = ground.disk()
    moved: list[Call] = []

    def before(call: Call) -> None:
        moved.extend([call] if call.name == "rename" else [])
        if len(moved) > 1:
            raise PowerCut

    with contextlib.suppress(PowerCut):
        async with ground.open(disk) as (element, clock):
            disk.before = before
            await House(element, clock).create(LATER_ID)
    ended(disk)


def _bytes_of(ground: Ground, where: str) -> Path:
    """Where the bytes of `FILE_ID` lie."""
    names = [path for path in ground.paths() if path.startswith(where) and FILE_ID in path and path.endswith(".pdf")]
    [name] = names
    return ground.data / name


def _overwrite(fs: FileSystem, path: Path, data: bytes) -> None:
    """As a hand does, or a disk that ages."""
    descriptor = fs.open(path, WRITE)
    fs.write(descriptor, data)
    fs.fsync(descriptor)
    fs.close(descriptor)
