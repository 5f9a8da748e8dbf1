"""Look at somebody's password, counting failures: the one way in which a password is ever tried."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Protocol
from weakref import WeakValueDictionary

from services.admin.domain.users import AdminUser
from services.admin.ports import LoginGuard, Passwords, UserStore
from services.chassis.logs import get_logger
from services.model.clock import Clock
from services.model.errors import AccountLocked, FieldProblem, Unauthorized
from services.model.identity import UserStatus

WRONG = "the username or the password is wrong"
WRONG_CODE = "the code of the second factor is wrong or was used before"
MAX_NAME = 64
"""Characters; nobody's name is longer."""

log = get_logger(__name__)


class SpendsCodes(Protocol):
    """Looks at a code of somebody's second factor."""

    async def __call__(self, user: AdminUser, code: str) -> bool:
        """Whether it was right and had not been used; it is used now."""
        ...


class CheckPassword:
    """Names that exist and names that do not take the same way, and the same time."""

    def __init__(
        self,
        *,
        users: UserStore,
        spend_code: SpendsCodes,
        guard: LoginGuard,
        passwords: Passwords,
        clock: Clock,
        limit: int,
        lock: timedelta,
    ) -> None:
        """`limit` failures in a row lock a name for `lock`."""
        self._users = users
        self._spend_code = spend_code
        self._guard = guard
        self._passwords = passwords
        self._clock = clock
        self._limit = limit
        self._lock = lock
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def __call__(self, username: str, password: str, code: str | None = None) -> AdminUser:
        """Return the user, who is active. Raises `Unauthorized`, `AccountLocked`, `RateLimited`.

        `code`: of his second factor, looked at where he has one; None: the password is enough. Who has one is forgiven
        earlier failures only with a code: else a known password would make room for guessing codes without end.
        """
        name = username.lower()
        if not name or len(name) > MAX_NAME or "\0" in name:
            raise Unauthorized(WRONG)
        # A try counts as failed until it has succeeded: of many right ones at once, each waits for the one before.
        turn = self._turns.setdefault(name, asyncio.Lock())
        async with turn:
            return await self._look(name, password, code)

    async def _look(self, name: str, password: str, code: str | None) -> AdminUser:
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
        if user.totp_enabled and code is None:
            return user
        if user.totp_enabled:
            await self._require(user, code or "")
        await self._guard.forgive(name)
        return user

    async def _require(self, user: AdminUser, code: str) -> None:
        """The second factor; a try without it, or with a wrong one, stays a failure: nobody guesses for long."""
        if not code:
            log.info("a login needs the second factor", username=user.username)
            raise Unauthorized("a code of the second factor is needed", [FieldProblem("totp", "is needed")])
        if not await self._spend_code(user, code):
            log.warning("a login was refused: second factor", username=user.username)
            raise Unauthorized(WRONG_CODE, [FieldProblem("totp", "is wrong or was used before")])
