"""Fills `ports.Leadership` and `ports.Peers` without a disk: what one process sees is set by the test."""

from __future__ import annotations

from datetime import UTC, datetime

from services.model.elements import Mode
from services.model.errors import StorageUnavailable
from services.model.ids import Subject
from services.storage.domain.election import Deposed, Leader
from services.storage.domain.modes import ModeState

SINCE = datetime(2026, 11, 21, tzinfo=UTC)


class MemoryLeadership:
    """One process's part; `others` is whoever else leads."""

    def __init__(self) -> None:
        self.others: Leader | None = None
        self.latest = 0
        self.lock_is_free = True
        self.faster = False
        """Whether somebody else claims the next epoch first."""
        self.unrecoverable = False
        self.recovery_fails: Exception | None = None
        self.beat_fails: Exception | None = None
        self.state = ModeState(Mode.RW, 3, SINCE, Subject("somebody"))
        self.locked = self.leading = self.accepting = False
        self.beats = 0
        self.done: list[str] = []
        """What was asked for that changes something, in order."""

    async def look(self) -> tuple[Leader | None, int]:
        return self.others, self.latest

    async def mode(self) -> ModeState | None:
        return self.state

    async def try_lock(self) -> bool:
        self.locked = self.locked or self.lock_is_free
        return self.locked

    async def unlock(self) -> None:
        self.locked = False

    async def claim(self, epoch: int) -> None:
        self.done.append(f"claim {epoch}")
        if self.faster:
            raise Deposed("somebody was faster")
        self.latest, self.leading = epoch, True

    async def recover(self) -> ModeState:
        self.done.append("recover")
        if self.unrecoverable:
            raise StorageUnavailable("the disk is broken")
        if self.recovery_fails is not None:
            raise self.recovery_fails
        return self.state

    def accept(self) -> None:
        self.done.append("accept")
        self.accepting = True

    async def beat(self) -> None:
        if self.beat_fails is not None:
            raise self.beat_fails
        self.beats += 1

    async def leave(self, reason: str) -> None:
        self.done.append("leave")
        self.locked = self.leading = self.accepting = False


class MemoryPeers:
    """`answers`: whether the leader says that it leads; `asked`: how often it was asked."""

    def __init__(self) -> None:
        self.answers = True
        self.asked = 0

    async def leads(self, leader: Leader) -> bool:
        self.asked += 1
        return self.answers


def a_leader(beat: int = 1, epoch: int = 7, *, writable: bool = True) -> Leader:
    """Another process that leads."""
    return Leader(epoch, "10.0.0.7", 8010, SINCE, beat, writable)
