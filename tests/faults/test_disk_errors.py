"""Each single call to the file system fails once, in each way that a disk fails; writes take only a part.

The right refusal, nothing visible by halves, and the element goes on writing or not as `docs/storage-format.md` says.
"""

from __future__ import annotations

import contextlib
import errno
from pathlib import Path
from typing import Any

import pytest

from services.model.errors import ArtStoreError, StorageFull, StorageUnavailable
from services.storage.store.refusal import ElementRefused
from tests.doubles.disks import Call, StrictDisk, WatchedDisk
from tests.faults.grounds import Ground
from tests.faults.house import BESIDE_ID, House
from tests.faults.making import make_ground
from tests.faults.operations import OPERATIONS, Operation, Step, attempt
from tests.faults.size import FULL, luck
from tests.faults.stopping import calls_of, stop
from tests.faults.world import World, check, look, look_after_start, stages

FULL_DISK = (errno.ENOSPC, errno.EDQUOT)
SHORTAGE = (errno.EMFILE, errno.ENFILE)
DESCRIPTORS = ("open", "entries", "names", "load")
"""Calls that need one."""
STEPS = [each for each in OPERATIONS if each.steps and not each.together]
OPENINGS = [each for each in OPERATIONS if not each.steps]


def codes(*names: object) -> list[int]:
    """The disk fails, and the disk is full; in the short size one of the three, as luck has it."""
    every = (errno.EIO, *FULL_DISK)
    return list(every) if FULL else [luck("code", *names).choice(every)]


@pytest.mark.parametrize("operation", STEPS, ids=str)
async def test_after_any_failed_call_everything_is_whole(operation: Operation, memory: Path) -> None:
    ground = await make_ground(operation.ground, memory / "strict", strict=True)
    worlds, calls = await stages(ground, operation), await calls_of(ground, operation)
    for number, call in enumerate(calls):
        for code in codes(operation, number):
            disk = ground.copy()
            watched = disk.disk()
            await _fail(operation, worlds, disk, watched, lambda: watched.fail_at(number, code), call, code)  # noqa: B023 - called at once


@pytest.mark.parametrize("operation", STEPS, ids=str)
async def test_too_many_open_files_refuse_what_is_under_way_and_nothing_after_it(
    operation: Operation, memory: Path
) -> None:
    ground = await make_ground(operation.ground, memory / "strict", strict=True)
    worlds, calls = await stages(ground, operation), await calls_of(ground, operation)
    for number, call in enumerate(calls):
        if call.name in DESCRIPTORS:
            await _lack_descriptors(operation, worlds, ground.copy(), number)


async def _lack_descriptors(operation: Operation, worlds: list[World], ground: Ground, number: int) -> None:
    """From that call on there is none left, until the operation has ended."""
    disk, answered = ground.disk(), set[Step]()
    async with ground.open(disk, **operation.opening) as (element, clock):
        house, first = House(element, clock), len(disk.calls)

        def before(call: Call) -> None:
            if call.name in DESCRIPTORS and len(disk.calls) > first + number:
                raise OSError(luck("descriptors", operation, number).choice(SHORTAGE), "injected")

        disk.before = before
        with contextlib.suppress(StorageUnavailable):
            await attempt(operation, house, answered)
        disk.well()
        if operation.elects:
            await _not_elected(operation, worlds, house)
        assert house.files.writable, f"call {number}: it is over, and nothing is unknown"
        check(operation, worlds, answered, await look(element))
        for step in operation.steps[len(answered) :]:
            await step.act(house)
        assert await look(element) == worlds[-1]
    ground.remove()


@pytest.mark.parametrize("operation", STEPS, ids=str)
async def test_a_disk_that_takes_a_part_and_then_nothing_leaves_nothing_by_halves(
    operation: Operation, memory: Path
) -> None:
    ground = await make_ground(operation.ground, memory / "strict", strict=True)
    worlds, calls = await stages(ground, operation), await calls_of(ground, operation)
    for number, call in enumerate(calls):
        for code in codes(operation, number) if call.name == "write" else ():
            disk = ground.copy()
            watched = disk.disk()
            await _fail(operation, worlds, disk, watched, lambda: take_a_part(watched, number, code), call, code)  # noqa: B023 - called at once


async def _fail(
    operation: Operation, worlds: list[World], ground: Ground, disk: WatchedDisk, disturb: Any, call: Call, code: int
) -> None:
    """Begin the operation with the disturbance, and look: at once, and after a restart that follows a power cut."""
    answered: set[Step] = set()
    refusal: ArtStoreError | None = None
    async with ground.open(disk, **operation.opening) as (element, clock):
        house = House(element, clock)
        disturb()
        try:
            await attempt(operation, house, answered)
        except ArtStoreError as error:
            refusal = error
        disk.well()
        assert isinstance(refusal, StorageFull | StorageUnavailable | None), call
        check(operation, worlds, answered, await look(element))
        if isinstance(refusal, StorageFull):
            assert code in FULL_DISK
            await _full(operation, worlds, answered, ground, house)
        elif refusal is not None and operation.elects:
            await _not_elected(operation, worlds, house)
        elif refusal is not None and call.changes:
            await _stopped(house, call, refusal)
    left = Ground(ground.folder, ground.strict and ground.strict.crash(None), ground.opening)
    if not isinstance(refusal, StorageFull):
        check(operation, worlds, answered, await look_after_start(left, twice=FULL))
    ground.remove()


async def _full(operation: Operation, worlds: list[World], answered: set[Step], ground: Ground, house: House) -> None:
    """Nothing has happened, nothing stays, and once there is room it works without a restart."""
    files = house.files
    assert files.writable
    assert (await files.room()).promised == 0
    assert not [path for path in ground.paths() if path.startswith("incoming/")], "the parts are removed"
    if operation.whole:
        assert await look(house.element) == worlds[len(answered)]
    for step in operation.steps[len(answered) :]:
        await step.act(house)
    assert await look(house.element) == worlds[-1]


async def _stopped(house: House, call: Call, refusal: ArtStoreError) -> None:
    """Nobody knows what the disk has kept: nothing is written any more, and it says so."""
    assert not house.files.writable, f"it goes on after a failed {call}: {refusal!r}"
    with pytest.raises(StorageUnavailable):
        await house.create(BESIDE_ID)
    with pytest.raises(StorageUnavailable, match="stopped writing"):
        await house.element.check_wal()


async def _not_elected(operation: Operation, worlds: list[World], house: House) -> None:
    """Who could not take over leads nobody, and the next attempt begins an epoch of its own."""
    assert not house.files.writable
    with pytest.raises(StorageUnavailable):
        await house.create(BESIDE_ID)
    await attempt(operation, house, set())
    assert house.files.writable
    assert await look(house.element) == worlds[-1]


def take_a_part(disk: WatchedDisk, number: int, code: int) -> None:
    """The write of that number takes half of what it is given; the next one fails."""
    at = len(disk.calls) + number + 1
    failed: list[Call] = []

    def before(call: Call) -> int | None:
        if call.name != "write" or len(disk.calls) < at or failed:
            return None
        if len(disk.calls) == at:
            descriptor, data = call.arguments
            return disk.inner.write(descriptor, data[: len(data) // 2])
        failed.append(call)
        raise OSError(code, "took only a part")

    disk.before = before


@pytest.mark.parametrize("operation", [each for each in OPERATIONS if each.steps], ids=str)
async def test_a_disk_that_takes_a_little_at_a_time_is_written_whole(operation: Operation, memory: Path) -> None:
    ground = await make_ground(operation.ground, memory / "strict", strict=True)
    worlds = await stages(ground, operation)
    disk, chance = ground.disk(), luck("little", operation)

    def little(call: Call) -> int | None:
        if call.name == "write" and len(call.arguments[1]) > 1:
            descriptor, data = call.arguments
            return disk.inner.write(descriptor, data[: chance.randrange(1, min(len(data), 4000))])
        return None

    async with ground.open(disk, **operation.opening) as (element, clock):
        disk.before = little
        await attempt(operation, House(element, clock), set())
    assert await look_after_start(ground) == worlds[-1]


@pytest.mark.parametrize("operation", OPENINGS, ids=str)
async def test_an_opening_that_fails_at_any_call_is_refused_and_changes_nothing(
    operation: Operation, memory: Path
) -> None:
    ground = await make_ground(operation.ground, memory / "strict", strict=True)
    worlds = await stages(ground, operation)
    await _fail_openings(operation, worlds, ground, set(), every=1 if FULL else 4)


@pytest.mark.parametrize("operation", [each for each in STEPS if each.name != "rebuild"], ids=str)
async def test_a_recovery_that_fails_at_any_call_is_refused_and_repeated(operation: Operation, memory: Path) -> None:
    ground = await make_ground(operation.ground, memory / "strict", strict=True)
    worlds, calls = await stages(ground, operation), await calls_of(ground, operation)
    renames = [number for number, call in enumerate(calls) if call.name == "rename"]
    for number in renames if FULL else luck("recovery", operation).sample(renames, 1):
        left = await stop(ground, operation, number + 1)
        assert isinstance(left.ground.strict, StrictDisk)
        left.ground.strict = left.ground.strict.copy()
        await _fail_openings(operation, worlds, left.ground, left.answered, every=1 if FULL else 8)
        left.remove()


async def _fail_openings(
    operation: Operation, worlds: list[World], ground: Ground, answered: set[Step], every: int = 1
) -> None:
    opening = Operation("opening", opening={} if operation.steps else operation.opening)
    calls = await calls_of(ground, opening)
    for number in range(luck("opening", operation).randrange(every), len(calls), every):
        for code in codes(operation, number):
            copy = ground.copy()
            disk = copy.disk()
            disk.fail_at(number, code)
            with contextlib.suppress(ElementRefused):
                async with copy.open(disk, **{**opening.opening, "indexed": False}) as (element, _):
                    with contextlib.suppress(OSError, StorageUnavailable):  # it tries again later
                        await element.rebuild()
                    disk.well()
                    check(operation, worlds, answered, await look(element))
            assert copy.strict is not None
            copy.strict = copy.strict.crash(None)
            check(operation, worlds, answered, await look_after_start(copy, twice=FULL))
            copy.remove()
