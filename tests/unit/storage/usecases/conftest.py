from __future__ import annotations

import pytest

from services.model.elements import Mode
from services.model.ids import Subject
from services.storage.domain.modes import ModeState
from services.storage.usecases.finishing import Finishing
from services.storage.usecases.mode_gate import ModeGate
from tests.doubles.clock import FakeClock
from tests.doubles.storage_files import MemoryFiles
from tests.unit.storage.samples import NOW


def mode_state(mode: Mode, revision: int = 1) -> ModeState:
    return ModeState(mode, revision, NOW, Subject("somebody"))


async def become(gate: ModeGate, state: ModeState) -> None:
    """Change the mode, as a transition does."""

    async def keep(state: ModeState) -> None:
        pass

    await gate.change(lambda present: state, keep)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOW)


@pytest.fixture
def files() -> MemoryFiles:
    return MemoryFiles()


@pytest.fixture
def gate() -> ModeGate:
    return ModeGate(mode_state(Mode.EDIT))


@pytest.fixture
def finishing() -> Finishing:
    return Finishing()
