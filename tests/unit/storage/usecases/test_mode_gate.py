from __future__ import annotations

import asyncio

import pytest

from services.model.elements import Mode
from services.model.errors import ModeNotAllowed
from services.storage.domain.modes import Operation
from services.storage.usecases.mode_gate import ModeGate
from tests.unit.storage.usecases.conftest import become, mode_state


async def commit(gate: ModeGate, entered: asyncio.Event, leave: asyncio.Event) -> None:
    async with gate.held(Operation.UPLOAD):
        entered.set()
        await leave.wait()


async def test_commits_share_the_lock(gate: ModeGate) -> None:
    async with gate.held(Operation.UPLOAD), gate.held(Operation.UPDATE):
        pass


async def test_a_change_waits_for_the_commits_under_way(gate: ModeGate) -> None:
    entered, leave = asyncio.Event(), asyncio.Event()
    committing = asyncio.create_task(commit(gate, entered, leave))
    await entered.wait()
    changing = asyncio.create_task(become(gate, mode_state(Mode.RO, 2)))
    await asyncio.sleep(0)
    assert gate.mode is Mode.EDIT
    leave.set()
    await changing
    await committing
    assert (gate.mode, gate.state.revision) == (Mode.RO, 2)


async def test_nothing_commits_under_the_old_mode_after_the_change(gate: ModeGate) -> None:
    await become(gate, mode_state(Mode.RO))
    with pytest.raises(ModeNotAllowed):
        async with gate.held(Operation.UPLOAD):
            pytest.fail("it was let in")


async def test_a_commit_that_comes_while_a_change_waits_meets_the_new_mode(gate: ModeGate) -> None:
    entered, leave = asyncio.Event(), asyncio.Event()
    committing = asyncio.create_task(commit(gate, entered, leave))
    await entered.wait()
    changing = asyncio.create_task(become(gate, mode_state(Mode.RO)))
    await asyncio.sleep(0)
    late = asyncio.create_task(commit(gate, asyncio.Event(), leave))
    await asyncio.sleep(0)
    leave.set()
    await changing
    with pytest.raises(ModeNotAllowed):
        await late
    await committing


async def test_a_change_that_is_given_up_lets_commits_in_again(gate: ModeGate) -> None:
    entered, leave = asyncio.Event(), asyncio.Event()
    committing = asyncio.create_task(commit(gate, entered, leave))
    await entered.wait()
    changing = asyncio.create_task(become(gate, mode_state(Mode.RO)))
    await asyncio.sleep(0)
    changing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await changing
    async with gate.held(Operation.UPLOAD):
        assert gate.mode is Mode.EDIT
    leave.set()
    await committing


async def test_a_commit_that_fails_gives_its_share_back(gate: ModeGate) -> None:
    with pytest.raises(RuntimeError, match="the disk"):
        async with gate.held(Operation.UPLOAD):
            raise RuntimeError("the disk")
    await asyncio.wait_for(become(gate, mode_state(Mode.RO)), 5)
