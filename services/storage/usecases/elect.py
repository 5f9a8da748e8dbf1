"""Taking part in the leadership of an element that several processes serve; see `domain/election.py`."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from services.chassis.logs import get_logger
from services.model.clock import Clock
from services.model.elements import ReplicaMode, Role
from services.model.errors import StorageUnavailable
from services.storage.domain.election import Deposed, Leader, Patience, Sight, may_claim
from services.storage.domain.modes import ModeState
from services.storage.ports import Files, Leadership, Peers
from services.storage.usecases.mode_gate import ModeGate

Announce = Callable[[Role], Awaitable[object]]
"""Told of each change of the role: a leader is one from its claim on."""

log = get_logger(__name__)


class Alone:
    """Fills `ports.Standing` for the only process of an element."""

    replica_mode = ReplicaMode.STANDALONE
    role = Role.LEADER

    def __init__(self, files: Files) -> None:
        self._files = files

    @property
    def writable(self) -> bool:
        return self._files.writable

    async def check(self) -> None:
        """The only one leads."""


class Elect:
    """One pass: a leader shows life, a follower looks for it, and claims the leadership where there is none.

    Fills `ports.Standing`.
    """

    replica_mode = ReplicaMode.REPLICATED

    def __init__(
        self, *, leadership: Leadership, peers: Peers, gate: ModeGate, files: Files, clock: Clock, patience: Patience,
        beat: float, announce: Announce,
    ) -> None:  # fmt: skip
        """`beat`: seconds between two signs of life."""
        self._leadership, self._peers, self._gate, self._files = leadership, peers, gate, files
        self._clock, self._patience, self._beat, self._announce = clock, patience, beat, announce
        self._sight = Sight(patience.silence, clock.monotonic())
        self._spared = False
        self._not_before = clock.monotonic()
        """An epoch that could not begin is not followed by another one at once."""

    @property
    def role(self) -> Role:
        return Role.LEADER if self._leadership.accepting else Role.FOLLOWER

    @property
    def leader(self) -> Leader | None:
        """Who leads, as far as this process knows, which does not; None if that is unknown."""
        return None if self._leadership.leading else self._sight.leader

    @property
    def writable(self) -> bool:
        if self._leadership.leading:
            return self._leadership.accepting and self._files.writable
        leader = self._sight.leader
        return leader is not None and leader.writable and not self._sight.silent(self._clock.monotonic())

    async def __call__(self) -> None:
        """Raises `StorageUnavailable` when the disk does not answer."""
        if self._leadership.leading:
            await self._lead()
        else:
            await self._follow()

    async def check(self) -> None:
        """Return if somebody leads. Raises `StorageUnavailable`."""
        if not self._leadership.leading and (self._sight.leader is None or self._sight.silent(self._clock.monotonic())):
            raise StorageUnavailable("nobody leads the storage element: there is no sign of life of a leader")

    async def follow_mode(self) -> None:
        """Take note of the mode that the leader has kept. Raises `StorageUnavailable`."""
        state = await self._leadership.mode()
        if state is not None and not self._leadership.leading:
            self._gate.follow(state)

    async def _lead(self) -> None:
        try:
            await self._leadership.beat()
            await self._leadership.try_lock()  # the leader before may have kept it until now
        except Deposed as reason:
            await self._leave(str(reason))
        except StorageUnavailable as reason:
            log.warning("a sign of life could not be given", reason=reason.message)

    async def _follow(self) -> None:
        leader, latest = await self._look()
        await self.follow_mode()
        if self._clock.monotonic() < self._not_before:
            return
        locked = await self._leadership.try_lock()
        silent = self._sight.silent(self._clock.monotonic())
        if not (locked or silent):
            return
        answers = leader is not None and await self._peers.leads(leader)
        if may_claim(locked=locked, silent=silent, answers=answers):
            await self._take_over(latest + 1)
            return
        if answers and not self._spared:
            log.warning("a leader who answers is left in office, though his lock or his beats are lost", locked=locked,
                        leader=leader and leader.address)  # fmt: skip
        self._spared = answers
        await self._leadership.unlock()

    async def _look(self) -> tuple[Leader | None, int]:
        leader, latest = await self._leadership.look()
        self._sight.see(leader, latest, self._clock.monotonic())
        return leader, latest

    async def _take_over(self, epoch: int) -> None:
        log.warning("this process claims the leadership", epoch=epoch)
        try:
            await self._leadership.claim(epoch)
            await self._leadership.beat()
            await self._announce(Role.LEADER)
            self._gate.follow(await self._recovered())
            self._leadership.accept()
        except Deposed as reason:
            await self._leave(str(reason))
        except StorageUnavailable as reason:
            self._not_before = self._clock.monotonic() + self._patience.silence
            await self._leave(str(reason))
        except Exception as reason:
            # Whatever it is, an epoch that was claimed and cannot begin must not be kept: nobody else could lead.
            self._not_before = self._clock.monotonic() + self._patience.silence
            await self._leave(repr(reason))
            raise
        else:
            log.warning("this process leads", epoch=epoch)

    async def _recovered(self) -> ModeState:
        """Recover, and show life meanwhile."""
        beating = asyncio.create_task(self._keep_beating())
        try:
            return await self._leadership.recover()
        finally:
            beating.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await beating

    async def _keep_beating(self) -> None:
        while True:
            await asyncio.sleep(self._beat)
            with contextlib.suppress(Deposed, StorageUnavailable):  # the next pass, or what is to be written, meets it
                await self._leadership.beat()

    async def _leave(self, reason: str) -> None:
        log.error("this process leads no more", reason=reason)
        await self._leadership.leave(reason)
        await self._announce(Role.FOLLOWER)
        with contextlib.suppress(StorageUnavailable):
            await self._look()
