"""Who leads an element that several processes serve.

The laws: the lock elects, and beats show life. A follower claims the next epoch when it got the lock, or when it has
seen no sign of life for a while by its own clock; but never while the one who says that he leads answers that he does:
a lock can be lost unseen, and a paused process keeps its own. A leader whose beat is overdue takes itself for deposed
before anybody else does. All of this only keeps the processes from getting into each other's way: what makes a second
writer harmless is the fence (`store/leadership.py`), whatever clocks and locks say.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


class Deposed(Exception):
    """This process does not lead any more, or never came to it. Says why."""


@dataclass(frozen=True, slots=True)
class Leader:
    """What a leader says of itself in `.leader.info`."""

    epoch: int
    host: str
    port: int
    """Where it serves gRPC."""
    since: datetime
    beat: int
    """One more with each sign of life."""
    writable: bool = True
    """False once it has stopped writing after a disk error."""

    @property
    def address(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds."""

    silence: float
    """Without a sign of life, after which a follower takes the leader for gone."""
    loss: float
    """Without a beat that could be written, after which a leader takes itself for deposed; less than `silence`."""


class Sight:
    """What a follower has seen of the leader. All times are its own monotonic clock's."""

    def __init__(self, silence: float, now: float) -> None:
        self._silence, self._seen_at = silence, now
        self._sign: tuple[int, int, int] = (0, 0, 0)
        self.leader: Leader | None = None
        """As it was seen last."""

    def see(self, leader: Leader | None, latest_epoch: int, now: float) -> None:
        """Look once more. A new epoch is a sign of life, too: whoever claimed it will beat soon."""
        sign = (latest_epoch, leader.epoch if leader else 0, leader.beat if leader else 0)
        if sign != self._sign:
            self._sign, self._seen_at = sign, now
        self.leader = leader

    def silent(self, now: float) -> bool:
        """Whether there has been no sign of life for too long."""
        return now - self._seen_at > self._silence


class Lease:
    """How long a leader may take itself for one."""

    def __init__(self, loss: float, now: float) -> None:
        self._loss, self._renewed_at = loss, now

    def renew(self, at: float) -> None:
        """A beat was written that was begun then."""
        self._renewed_at = max(self._renewed_at, at)

    def left(self, now: float) -> float:
        """Seconds until it is over; negative from then on."""
        return self._renewed_at + self._loss - now


def may_claim(*, locked: bool, silent: bool, answers: bool) -> bool:
    """Whether to claim the next epoch. `answers`: somebody else says that he leads."""
    return (locked or silent) and not answers
