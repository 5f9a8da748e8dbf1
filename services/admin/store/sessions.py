"""Failures that lock people out, and refresh tokens, in PostgreSQL."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

from services.admin.domain.users import AdminUser
from services.admin.store.database import Database

if TYPE_CHECKING:
    from services.admin.store.database import Connection

# One statement: a row is locked while it counts, so that tries at the same time are counted one after the other.
_ATTEMPT = """
INSERT INTO admin.login_failures AS f (username, failures, last_at, locked_until)
VALUES ($1, 1, $2, CASE WHEN $3 <= 1 THEN $2::timestamptz + $4::interval END)
ON CONFLICT (username) DO UPDATE SET
    failures = CASE WHEN f.last_at + $4 <= $2 THEN 1 ELSE f.failures + 1 END,
    last_at = $2,
    locked_until = CASE WHEN (CASE WHEN f.last_at + $4 <= $2 THEN 1 ELSE f.failures + 1 END) >= $3 THEN $2 + $4 END
WHERE f.locked_until IS NULL OR f.locked_until <= $2
RETURNING failures
"""
_LOCKED = "SELECT locked_until FROM admin.login_failures WHERE username = $1 AND locked_until > $2"
_FORGIVE = "DELETE FROM admin.login_failures WHERE username = $1"
_PRUNE_FAILURES = """
DELETE FROM admin.login_failures WHERE last_at < $1 AND (locked_until IS NULL OR locked_until < $1)
"""
_BEGIN = """
INSERT INTO admin.refresh_tokens (token_sha256, family, user_id, expires_at)
SELECT $1, $2, id, $5 FROM admin.users
WHERE id = $3 AND password_hash = $4 AND status = 'active' AND (totp_confirmed_at IS NOT NULL) = $6 FOR SHARE
"""
_OWNER = "SELECT user_id FROM admin.refresh_tokens WHERE token_sha256 = $1"
_FIND = """
SELECT user_id, expires_at FROM admin.refresh_tokens WHERE token_sha256 = $1 AND used_at IS NULL AND expires_at > $2
"""
_LOCK_OWNER = "SELECT FROM admin.users WHERE id = $1 FOR SHARE"
_SPEND = """
UPDATE admin.refresh_tokens SET used_at = $2
WHERE token_sha256 = $1 AND used_at IS NULL AND expires_at > $2 RETURNING family
"""
_SUCCEED = "INSERT INTO admin.refresh_tokens (token_sha256, family, user_id, expires_at) VALUES ($1, $2, $3, $4)"
_END_REUSED = """
DELETE FROM admin.refresh_tokens
WHERE family = (SELECT family FROM admin.refresh_tokens WHERE token_sha256 = $1 AND used_at IS NOT NULL)
"""
_LOCK_FAMILY = "SELECT family FROM admin.refresh_tokens WHERE token_sha256 = $1 FOR UPDATE"
_END_FAMILY = "DELETE FROM admin.refresh_tokens WHERE family = $1"


class PostgresLoginGuard:
    """`ports.LoginGuard`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def attempt(self, name: str, *, now: datetime, limit: int, lock: timedelta) -> datetime | None:
        if await self._database.row(_ATTEMPT, name, now, limit, lock) is not None:
            return None
        row = await self._database.row(_LOCKED, name, now)
        return row["locked_until"] if row else now  # unlocked meanwhile: the next try counts

    async def forgive(self, name: str) -> None:
        await self._database.execute(_FORGIVE, name)

    async def prune(self, before: datetime) -> int:
        return await self._database.execute(_PRUNE_FAILURES, before)


class PostgresSessions:
    """`ports.SessionStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(self, token_sha256: bytes, user: AdminUser, expires_at: datetime) -> bool:
        values = (token_sha256, uuid4(), user.id, user.password_hash, expires_at, user.totp_enabled)
        return await self._database.execute(_BEGIN, *values) == 1

    async def spend(
        self, token_sha256: bytes, successor_sha256: bytes, *, now: datetime, expires_at: datetime
    ) -> str | None:
        async def work(connection: Connection) -> str | None:
            async with connection.transaction():
                owner = await connection.fetchval(_OWNER, token_sha256)
                if owner is None:
                    return None
                # Before the token: a change of the user, which ends his sessions, locks in the same order.
                await connection.execute(_LOCK_OWNER, owner)
                family = await connection.fetchval(_SPEND, token_sha256, now)
                if family is None:
                    await connection.execute(_END_REUSED, token_sha256)
                    return None
                await connection.execute(_SUCCEED, successor_sha256, family, owner, expires_at)
                return str(owner)

        return await self._database.run(work)

    async def find(self, token_sha256: bytes, now: datetime) -> tuple[str, datetime] | None:
        row = await self._database.row(_FIND, token_sha256, now)
        return (str(row["user_id"]), row["expires_at"]) if row else None

    async def end(self, token_sha256: bytes) -> bool:
        async def work(connection: Connection) -> bool:
            async with connection.transaction():
                # Waits for a refresh under way; the second statement then sees the successor that it has left.
                family = await connection.fetchval(_LOCK_FAMILY, token_sha256)
                if family is None:
                    return False
                await connection.execute(_END_FAMILY, family)
                return True

        return await self._database.run(work)

    async def prune(self, now: datetime) -> int:
        return await self._database.execute("DELETE FROM admin.refresh_tokens WHERE expires_at <= $1", now)
