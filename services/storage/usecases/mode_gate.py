"""The element's mode, and the lock that makes a change of it sharp."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from services.model.elements import Mode
from services.storage.domain.modes import ModeState, Operation, require


class ModeGate:
    """The element's mode, and what it permits; see the table in `domain/modes.py`.

    Commits hold the lock shared, a change of the mode takes it exclusively: once the change has been answered, nothing
    commits under the old mode. A change that waits lets no new commit in, so that it gets its turn.
    """

    def __init__(self, state: ModeState) -> None:
        self._state = state
        self._turn = asyncio.Condition()
        self._commits = 0
        self._changing = False

    @property
    def mode(self) -> Mode:
        return self._state.mode

    @property
    def state(self) -> ModeState:
        return self._state

    def require(self, operation: Operation) -> None:
        """Raise `ModeNotAllowed` unless the present mode permits `operation`."""
        require(self._state.mode, operation)

    def follow(self, state: ModeState) -> None:
        """Take over what another process has kept. Nothing may be committing here."""
        self._state = state

    @asynccontextmanager
    async def held(self, operation: Operation) -> AsyncIterator[None]:
        """Keep the mode as it is meanwhile. Raises `ModeNotAllowed` unless it permits `operation`."""
        async with self._turn:
            await self._turn.wait_for(lambda: not self._changing)
            self.require(operation)
            self._commits += 1
        try:
            yield
        finally:
            self._commits -= 1
            await self._wake()

    async def change(
        self, decide: Callable[[ModeState], ModeState], keep: Callable[[ModeState], Awaitable[None]]
    ) -> tuple[ModeState, ModeState]:
        """Change the mode to what `decide` makes of it, once no commit is under way; what it was, and what it is.

        `keep` makes it durable first. What either raises is raised, and the mode stays. When this returns, nothing can
        commit under the old mode.
        """
        async with self._turn:
            await self._turn.wait_for(lambda: not self._changing)
            self._changing = True
            try:
                await self._turn.wait_for(lambda: self._commits == 0)
                before, after = self._state, decide(self._state)
                await keep(after)
                self._state = after
            finally:
                self._changing = False
                self._turn.notify_all()
        return before, after

    async def _wake(self) -> None:
        async with self._turn:
            self._turn.notify_all()
