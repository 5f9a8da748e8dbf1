"""Stopping an operation at one of its calls to the file system, and seeing what is left."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.doubles.disks import SKIPPED, Call, PowerCut, WatchedDisk
from tests.faults.grounds import Ground, ended
from tests.faults.house import House
from tests.faults.operations import OPENED, Operation, Step, attempt
from tests.faults.size import FULL


@dataclass
class Left:
    """What a stopped operation leaves."""

    ground: Ground
    """As it lies there; of a strict disk also what was never synced."""
    answered: set[Step] = field(default_factory=set)

    def remove(self) -> None:
        self.ground.remove()


async def calls_of(ground: Ground, operation: Operation) -> list[Call]:
    """The calls that it makes when nothing disturbs it."""
    copy = ground.copy()
    disk = copy.disk()
    first = 0
    async with copy.open(disk, **operation.opening) as (element, clock):
        house = House(element, clock)
        if operation.steps:
            first = len(disk.calls)
        await attempt(operation, house, set())
        made = disk.calls[first:]
    copy.remove()
    return made


def worth_stopping(calls: list[Call]) -> list[int]:
    """Numbers of calls before which to stop, and the one behind the last.

    The short size leaves out those before which nothing has changed since the one before: the disk is the same.
    """
    return [number for number, call in enumerate(calls) if FULL or call.changes] + [len(calls)]


async def stop(ground: Ground, operation: Operation, at: int, *, skip: int | None = None) -> Left:
    """Begin it on a copy of `ground`, and let the process be no more at call number `at`.

    `skip`: the call of that number is not made; it says that it was.
    """
    copy = ground.copy()
    disk = copy.disk()
    left: Left | None = None
    answered: set[Step] = set()
    with contextlib.suppress(PowerCut):
        if not operation.steps:
            disk.before = _count(disk, at, skip)
        async with copy.open(disk, **operation.opening) as (element, clock):
            house = House(element, clock)
            if operation.steps:
                disk.before = _count(disk, at, skip)
            try:
                await attempt(operation, house, answered)
                if not operation.steps:
                    answered.add(OPENED)
            finally:
                # As the end of the process leaves it: leaving the element would close the index properly.
                left = Left(copy.as_it_lies(), answered)
                disk.cut_after(0)
    ended(disk)
    left = left or Left(copy.as_it_lies(), answered)
    copy.remove()
    return left


def _count(disk: WatchedDisk, at: int, skip: int | None) -> Callable[[Call], object]:
    first = len(disk.calls)

    def count(call: Call) -> object:
        number = len(disk.calls) - first - 1
        if number >= at:
            raise PowerCut
        return SKIPPED if number == skip else None

    return count
