"""The power goes after each single call, and what was not synced may be there or not.

The disk is the strict double: a real one commits things on its own account and so forgives what it should not.
"""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from services.model.errors import ArtStoreError
from services.model.ids import ElementUuid
from services.storage.store.refusal import ElementRefused
from services.storage.store.wal import reading
from services.storage.store.wal.segments import Segments
from tests.doubles.disks import Call, every_luck
from tests.faults.grounds import Ground
from tests.faults.making import make_ground
from tests.faults.operations import OPERATIONS, Operation
from tests.faults.size import FULL, luck, sized
from tests.faults.stopping import Left, calls_of, stop, worth_stopping
from tests.faults.world import World, check, look, look_after_start, stages
from tests.support.power_cuts import ROOT, Everything

RECOVERED = Operation("recovery")
"""Opening what another operation left."""


def lucks(*names: object) -> list[random.Random | None]:
    """Nothing is there that was not synced; as luck has it; everything is (in full: otherwise `test_stops.py`)."""
    return [None, *([Everything()] if FULL else []), *(luck(*names, number) for number in range(sized(1, 8)))]


async def check_after_cut(operation: Operation, worlds: list[World], left: Left, lucky: random.Random | None) -> None:
    survived = left.ground.copy(luck=lucky)
    if operation.steps and len(left.answered) == len(operation.steps):
        assert not open_transactions(survived), "what was answered is committed in the journal"
    twice = FULL or lucky is None
    check(operation, worlds, left.answered, await look_after_start(survived, twice=twice))
    survived.remove()


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
async def test_a_power_cut_at_any_call_leaves_everything_whole(operation: Operation, memory: Path) -> None:
    ground = await make_ground(operation.ground, memory / "strict", strict=True)
    worlds, calls = await stages(ground, operation), await calls_of(ground, operation)
    for number in worth_stopping(calls):
        left = await stop(ground, operation, number)
        for lucky in lucks("cut", operation, number) if FULL or number % 2 else [None]:
            await check_after_cut(operation, worlds, left, lucky)
        left.remove()


def open_transactions(ground: Ground) -> int:
    """How many the journal leaves open, read from a copy."""
    copy = ground.copy()
    assert copy.strict is not None
    uuid = ElementUuid(json.loads(copy.paths()["element.json"])["element_uuid"])
    found = len(reading.read(Segments(copy.strict, ROOT / ".wal"), uuid).open)
    copy.remove()
    return found


RECOVERABLE = [each for each in OPERATIONS if each.steps and each.name != "rebuild"]


@pytest.mark.parametrize("operation", RECOVERABLE, ids=str)
async def test_recovery_is_cut_off_at_any_call_and_repeated(operation: Operation, memory: Path) -> None:
    """What it recovers from: what a stop leaves after one of the renames (in full: at every call)."""
    ground = await make_ground(operation.ground, memory / "strict", strict=True)
    worlds, calls = await stages(ground, operation), await calls_of(ground, operation)
    renames = [number for number, call in enumerate(calls) if call.name == "rename"]
    chosen = luck("recovery", operation).choice(renames)
    for stopped in worth_stopping(calls) if FULL else renames:
        left = await stop(ground, operation, stopped + 1)
        killed = left.ground.as_it_lies()
        killed.unsynced = True
        if FULL or stopped == chosen:
            await _cut_recovery(operation, worlds, killed, left)
        await _check_recovered(killed)
        killed.remove()
        left.remove()


async def _cut_recovery(operation: Operation, worlds: list[World], killed: Ground, left: Left) -> None:
    every = 1 if FULL else 3
    for number in worth_stopping(await calls_of(killed, RECOVERED))[luck("every", operation).randrange(every) :: every]:
        again = await stop(killed, RECOVERED, number)
        lucky = [None, luck("recovery", operation, number)]
        for each in lucky if FULL else lucky[number % 2 :][:1]:
            await check_after_cut(operation, worlds, Left(again.ground, left.answered), each)
        again.remove()


async def _check_recovered(killed: Ground) -> None:
    """What is served after recovery has not been there in memory only: a power cut takes nothing of it."""
    recovered = killed.copy()
    async with recovered.open() as (element, _):
        seen = await look(element)
        left = recovered.as_it_lies()
    survived = left.copy()
    assert await look_after_start(survived) == seen
    for each in (recovered, left, survived):
        each.remove()


@pytest.mark.parametrize("operation", [each for each in RECOVERABLE if FULL or each.single], ids=str)
async def test_each_single_sync_is_needed_and_its_absence_noticed(operation: Operation, memory: Path) -> None:
    """Sabotage: without any one of them a power cut at the worst moment loses or tears something."""
    ground = await make_ground(operation.ground, memory / "strict", strict=True)
    worlds, calls = await stages(ground, operation), await calls_of(ground, operation)
    syncs = needed_syncs(ground, calls)
    if operation.name == "mode":
        syncs = syncs[:1] + syncs[2:]  # without its begin only the change feed would miss it; see tests of the feed
    assert len(syncs) >= 2
    unnoticed = [
        f"{number}: {calls[number - 1]}"
        for number in syncs
        if not await _noticed(ground, operation, worlds, calls, number)
    ]
    assert not unnoticed


def needed_syncs(ground: Ground, calls: list[Call]) -> list[int]:
    """All but those of folders whose names were durable before: an earlier process had synced them.

    That they are synced again is needed where it had not; `tests/unit/storage/store/test_durable.py` sees to that.
    """
    needed, made = list[int](), None
    for number, call in enumerate(calls):
        if call.name == "mkdir":
            made = str(call.arguments[0].relative_to(ROOT))
        elif call.name in ("fsync", "fdatasync"):
            if made is None or not any(path.startswith(f"{made}/") for path in ground.paths()):
                needed.append(number)
            made = None
    return needed


async def _noticed(ground: Ground, operation: Operation, worlds: list[World], calls: list[Call], skip: int) -> bool:
    for number in range(len(calls), skip, -1):
        left = await stop(ground, operation, number, skip=skip)
        try:
            for lucky in every_luck():
                await check_after_cut(operation, worlds, left, lucky)
        except (AssertionError, ArtStoreError, ElementRefused):
            return True
        finally:
            left.remove()
    return False
