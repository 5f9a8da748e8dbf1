"""Look at somebody's password, counting failures: the one way in which a password is ever tried."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from weakref import WeakValueDictionary

from services.admin.domain.users import AdminUser
from services.admin.ports import LoginGuard, Passwords, UserStore
from services.chassis.logs import get_logger
from services.model.clock import Clock
from services.model.errors import AccountLocked, Unauthorized
from services.model.identity import UserStatus

WRONG = "the username or the password is wrong"
MAX_NAME = 64
"""Characters; nobody's name is longer."""

log = get_logger(__name__)


class CheckPassword:
    """Names that exist and names that do not take the same way, and the same time."""

    def __init__(
        self,
        *,
        users: UserStore,
        guard: LoginGuard,
        passwords: Passwords,
        clock: Clock,
        limit: int,
        lock: timedelta,
    ) -> None:
        """`limit` failures in a row lock a name for `lock`."""
        self._users = users
        self._guard = guard
        self._passwords = passwords
        self._clock = clock
        self._limit = limit
        self._lock = lock
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def __call__(self, username: str, password: str) -> AdminUser:
        """Return the user, who is active. Raises `Unauthorized`, `AccountLocked`, `RateLimited`."""
        name = username.lower()
        if not name or len(name) > MAX_NAME or "\0" in name:
            raise Unauthorized(WRONG)
        # A try counts as failed until it has succeeded: of many right ones at once, each waits for the one before.
        turn = self._turns.setdefault(name, asyncio.Lock())
        async with turn:
            return await self._look(name, password)

    async def _look(self, name: str, password: str) -> AdminUser:
        self._passwords.require_room()
        now = self._clock.now()
        until = await self._guard.attempt(name, now=now, limit=self._limit, lock=self._lock)
        if until is not None:
            log.warning("a login was refused: locked out", username=name)
            wait = max(1.0, (until - now).total_seconds())
            raise AccountLocked("too many failed logins; try again later, or have it unlocked", retry_after=wait)
        user = await self._users.find(name)
        right = await self._passwords.verify(user.password_hash if user else None, password)
        if user is None or not right or user.status is not UserStatus.ACTIVE:
            log.warning("a login was refused", username=name, known=user is not None)
            raise Unauthorized(WRONG)
        await self._guard.forgive(name)
        return user
