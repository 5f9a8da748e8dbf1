"""Sessions of people: begun by a password, gone on with by refresh tokens, ended."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta

from services.admin.domain.accounts import hash_secret
from services.admin.domain.users import AdminUser
from services.admin.ports import LoginGuard, SessionStore, UserStore
from services.admin.usecases.access_tokens import AccessTokens, Signer
from services.admin.usecases.check_password import WRONG, CheckPassword
from services.chassis.logs import get_logger
from services.model.clock import Clock
from services.model.errors import Unauthorized
from services.model.identity import Session

CLIENT = "artstore-login"
"""`client_id` of people's tokens (RFC 9068 section 2.2): they use no client of their own."""
ENDED = "the session has ended: log in again"

log = get_logger(__name__)


class Login:
    """Begin a session."""

    def __init__(
        self,
        *,
        check: CheckPassword,
        users: UserStore,
        sessions: SessionStore,
        tokens: AccessTokens,
        clock: Clock,
        lifetime: timedelta,
    ) -> None:
        """`lifetime` of a refresh token."""
        self._check = check
        self._users = users
        self._sessions = sessions
        self._tokens = tokens
        self._clock = clock
        self._lifetime = lifetime

    async def __call__(self, username: str, password: str, code: str = "") -> Session:
        """`code`: of the second factor, for who has one. Raises `Unauthorized`, `AccountLocked`, `RateLimited`."""
        user = await self._check(username, password, code)
        sign, now, refresh = await self._tokens.signer(), self._clock.now(), new_refresh_token()
        if not await self._sessions.begin(hash_secret(refresh), user, now + self._lifetime):
            raise Unauthorized(WRONG)  # changed while the password was looked at
        await self._users.note_login(user.id, now)
        log.info("a user logged in", username=user.username, role=user.role)
        return session(sign, self._tokens, user, refresh, self._lifetime, now)


class Refresh:
    """Go on with a session, with the rights that the user has now."""

    def __init__(
        self,
        *,
        users: UserStore,
        sessions: SessionStore,
        tokens: AccessTokens,
        clock: Clock,
        lifetime: timedelta,
    ) -> None:
        self._users = users
        self._sessions = sessions
        self._tokens = tokens
        self._clock = clock
        self._lifetime = lifetime

    async def __call__(self, refresh_token: str) -> Session:
        """Raises `Unauthorized`."""
        sign, now, refresh = await self._tokens.signer(), self._clock.now(), new_refresh_token()
        user_id = await self._sessions.spend(
            hash_secret(refresh_token), hash_secret(refresh), now=now, expires_at=now + self._lifetime
        )
        user = await self._users.get(user_id) if user_id is not None else None
        if user is None or not user.scopes:
            log.warning("a refresh token was refused: unknown, expired or used before")
            raise Unauthorized(ENDED)
        log.info("a session goes on", username=user.username)
        return session(sign, self._tokens, user, refresh, self._lifetime, now)


class Logout:
    """End a session; its access tokens live on to their end."""

    def __init__(self, *, sessions: SessionStore) -> None:
        self._sessions = sessions

    async def __call__(self, refresh_token: str) -> None:
        """A token that is not known is none of it (as RFC 7009 section 2.2 has it)."""
        if await self._sessions.end(hash_secret(refresh_token)):
            log.info("a session was ended")


class PruneSessions:
    """Forget what has no effect any more: expired refresh tokens, failures of long ago."""

    def __init__(self, *, sessions: SessionStore, guard: LoginGuard, clock: Clock, lock: timedelta) -> None:
        self._sessions = sessions
        self._guard = guard
        self._clock = clock
        self._lock = lock

    async def __call__(self) -> int:
        """Return how many rows were forgotten."""
        now = self._clock.now()
        return await self._sessions.prune(now) + await self._guard.prune(now - self._lock)


def session(
    sign: Signer, tokens: AccessTokens, user: AdminUser, refresh: str, lifetime: timedelta, now: datetime
) -> Session:
    """The tokens of a user."""
    scope = " ".join(user.scopes)
    access = sign(user.username, CLIENT, scope, now, {"roles": [user.role]})
    return Session(access, tokens.lifetime, refresh, lifetime, scope)


def new_refresh_token() -> str:
    """256 random bits."""
    return secrets.token_urlsafe(32)
