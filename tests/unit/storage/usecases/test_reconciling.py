"""One reconciliation at a time: whoever asks meanwhile is told of that one, and it does not depend on who listens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from services.model.errors import StorageUnavailable
from services.model.maintenance import ReconcileProgress, ReconcileReport
from services.storage.usecases.reconcile import Run
from services.storage.usecases.reconciling import ReconcileWhenDue, Reconciling
from tests.doubles.clock import FakeClock
from tests.support.storage_keeping import Keeper
from tests.support.storage_store import opened, store
from tests.unit.storage.samples import NOW, attributes

DAY = timedelta(days=1)


class Ground:
    """Passes that begin when they are asked for, and end when they may."""

    def __init__(self, keeper: Keeper) -> None:
        self.keeper, self.runs = keeper, list[Run]()
        self.may_end = asyncio.Event()
        self.fails: Exception | None = None
        self.reconciling = Reconciling(keeper.reconciliation, self.one_pass)

    async def one_pass(self, run: Run) -> ReconcileReport:
        self.runs.append(run)
        await self.may_end.wait()
        if self.fails:
            raise self.fails
        return await self.keeper.reconciliation(run)

    async def asked(self, *, thorough: bool = True) -> ReconcileReport:
        last = None
        async for last in self.reconciling(thorough=thorough):
            assert isinstance(last, ReconcileProgress | ReconcileReport)
        assert isinstance(last, ReconcileReport)
        return last


class Memory:
    """Fills `ports.Collections`."""

    def __init__(self, at: datetime | None) -> None:
        self.at = at
        self.damaged = False

    async def last(self) -> datetime | None:
        if self.damaged:
            raise StorageUnavailable("it cannot be trusted")
        return self.at

    async def keep(self, ran_at: datetime) -> None:
        self.at, self.damaged = ran_at, False


@pytest.fixture
async def ground(tmp_path: Path) -> AsyncIterator[Ground]:
    clock = FakeClock(NOW)
    async with opened(tmp_path, clock=clock) as element:
        await store(element.files, attributes(), b"x")
        made = Ground(Keeper(element, clock))
        yield made
        await made.reconciling.stop()


async def test_whoever_asks_while_one_runs_is_told_of_that_one(ground: Ground) -> None:
    first, second = asyncio.create_task(ground.asked()), asyncio.create_task(ground.asked(thorough=False))
    while not ground.runs:  # noqa: ASYNC110 - it begins by itself
        await asyncio.sleep(0)
    ground.may_end.set()
    assert await first is await second
    assert (len(ground.runs), (await first).thorough, (await first).files) == (1, True, 1)
    await ground.asked()
    assert len(ground.runs) == 2, "the next one is another one"


async def test_progress_comes_first_and_now_and_then(ground: Ground) -> None:
    reconciling = Reconciling(ground.keeper.reconciliation, ground.one_pass, progress_every=0.001)
    async with aclosing(reconciling(thorough=True)) as frames:
        assert await anext(frames) == ReconcileProgress(done=0, total=1, issues=0)
        assert isinstance(await anext(frames), ReconcileProgress)
        ground.may_end.set()
        rest = [frame async for frame in frames]
    assert isinstance(rest[-1], ReconcileReport)


async def test_it_goes_on_when_those_who_asked_leave(ground: Ground) -> None:
    async with aclosing(ground.reconciling(thorough=True)) as frames:
        await anext(frames)
    leaving = asyncio.create_task(ground.asked())
    await asyncio.sleep(0)
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    ground.may_end.set()
    assert (await ground.asked()).files == 1
    assert len(ground.runs) == 1


async def test_one_that_fails_tells_everybody_and_stops_no_other(ground: Ground) -> None:
    ground.fails = StorageUnavailable("the disk cannot be read")
    ground.may_end.set()
    results = await asyncio.gather(ground.asked(), ground.asked(), return_exceptions=True)
    assert [type(each) for each in results] == [StorageUnavailable, StorageUnavailable]
    ground.fails = None
    assert (await ground.asked()).files == 1


async def test_by_itself_it_runs_when_the_interval_is_over_however_often_the_element_is_restarted(
    ground: Ground,
) -> None:
    ground.may_end.set()
    clock, memory = FakeClock(NOW), Memory(None)

    async def life(interval: timedelta = DAY) -> None:
        await ReconcileWhenDue(reconciling=ground.reconciling, reconciliations=memory, clock=clock, interval=interval)()

    await life()
    assert (len(ground.runs), memory.at) == (0, NOW), "not at the first start of all"
    clock.advance(DAY - timedelta(seconds=1))
    await life()
    assert len(ground.runs) == 0
    clock.advance(1)
    await life()
    await life()
    assert (len(ground.runs), ground.runs[0].thorough, memory.at) == (1, False, NOW + DAY)
    clock.jump(-9 * DAY)
    await life()
    assert len(ground.runs) == 2, "a clock that was set back does not keep it from running"
    clock.advance(9 * DAY)
    await life(timedelta(0))
    assert len(ground.runs) == 2, "0: only on request"
    memory.damaged = True
    await life()
    assert not memory.damaged, "what cannot be trusted is written anew"
    ground.fails = StorageUnavailable("the disk cannot be read")
    clock.advance(DAY)
    await life()
    assert len(ground.runs) == 3
