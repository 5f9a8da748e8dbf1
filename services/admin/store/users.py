"""People in PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import asyncpg

from services.admin.domain.places import Place
from services.admin.domain.users import AdminUser
from services.admin.store.database import Database
from services.model.errors import Conflict, NotFound
from services.model.identity import UserRole, UserStatus

if TYPE_CHECKING:
    from services.admin.store.database import Connection

UNKNOWN = "there is no such user"
LOCK = 0x61727473_75736572
"""Key of the advisory lock under which users are changed: "artsuser" in ASCII."""

_SELECT = """
SELECT u.id, u.username, password_hash, role, status, created_at, full_name, email, last_login_at, locked_until,
    totp_confirmed_at IS NOT NULL AS totp_enabled
FROM admin.users AS u LEFT JOIN admin.login_failures AS f ON f.username = lower(u.username)
"""
_FIND = f"{_SELECT} WHERE lower(u.username) = lower($1)"
_GET = f"{_SELECT} WHERE u.id = $1"
_PAGE = f"""
{_SELECT} WHERE $1::text IS NULL OR (u.username COLLATE "C", u.id) > ($1, $2::uuid)
ORDER BY u.username COLLATE "C", u.id LIMIT $3 OFFSET $4
"""
_VALUES = "(id, username, password_hash, role, status, created_at, full_name, email, last_login_at)"
_ADD_FIRST = f"""
INSERT INTO admin.users {_VALUES}
SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9 WHERE NOT EXISTS (SELECT FROM admin.users)
ON CONFLICT DO NOTHING
"""  # noqa: S608 - columns of ours
_ADD = f"INSERT INTO admin.users {_VALUES} VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"  # noqa: S608 - as above
_OTHERS = "SELECT count(*) FROM admin.users WHERE role = 'admin' AND status = 'active' AND id <> $1"
_CHANGE = """
UPDATE admin.users SET password_hash = $2, role = $3, status = $4, full_name = $5, email = $6 WHERE id = $1
"""
_END_SESSIONS = "DELETE FROM admin.refresh_tokens WHERE user_id = $1"
_REMOVE = "DELETE FROM admin.users WHERE id = $1"
_NOTE_LOGIN = "UPDATE admin.users SET last_login_at = $2 WHERE id = $1 AND last_login_at IS DISTINCT FROM $2"


class PostgresUsers:
    """`ports.UserStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def any(self) -> bool:
        return await self._database.row("SELECT FROM admin.users LIMIT 1") is not None

    async def add_first(self, user: AdminUser) -> bool:
        return await self._database.execute(_ADD_FIRST, *_values(user)) == 1

    async def find(self, username: str) -> AdminUser | None:
        row = await self._database.row(_FIND, username)
        return _user(row) if row else None

    async def get(self, user_id: str) -> AdminUser | None:
        row = await self._database.row(_GET, user_id)
        return _user(row) if row else None

    async def page(self, *, limit: int, offset: int = 0, after: Place | None = None) -> tuple[Sequence[AdminUser], int]:
        name, ident = (after.name, after.id) if after else (None, None)
        rows = await self._database.rows(_PAGE, name, ident, limit, offset)
        count = await self._database.row("SELECT count(*) AS total FROM admin.users")
        return [_user(row) for row in rows], count["total"] if count else 0

    async def add(self, user: AdminUser) -> None:
        try:
            await self._database.execute(_ADD, *_values(user))
        except asyncpg.UniqueViolationError:
            raise Conflict("this username is taken") from None

    async def change(self, user_id: str, decide: Callable[[AdminUser, int], AdminUser | None]) -> AdminUser | None:
        async def work(connection: Connection) -> AdminUser | None:
            async with connection.transaction():
                await connection.execute("SELECT pg_advisory_xact_lock($1)", LOCK)
                # Locked before his sessions are: whoever refreshes one locks in the same order.
                row = await connection.fetchrow(f"{_GET} FOR UPDATE OF u", user_id)
                if row is None:
                    raise NotFound(UNKNOWN)
                before = _user(row)
                changed = decide(before, await connection.fetchval(_OTHERS, user_id))
                await _keep(connection, before, changed)
                return changed

        return await self._database.run(work)

    async def note_login(self, user_id: str, at: datetime) -> None:
        await self._database.execute(_NOTE_LOGIN, user_id, at)


async def _keep(connection: Connection, before: AdminUser, after: AdminUser | None) -> None:
    if after is None:
        await connection.execute(_REMOVE, before.id)
        return
    await connection.execute(
        _CHANGE, after.id, after.password_hash, after.role, after.status, after.full_name, after.email
    )
    if after.password_hash != before.password_hash or after.status is not UserStatus.ACTIVE:
        await connection.execute(_END_SESSIONS, after.id)


def _values(user: AdminUser) -> tuple[object, ...]:
    """In the order of `_VALUES`."""
    return (
        user.id, user.username, user.password_hash, user.role, user.status, user.created_at, user.full_name,
        user.email, user.last_login_at,
    )  # fmt: skip


def _user(row: asyncpg.Record) -> AdminUser:
    return AdminUser(
        id=str(row["id"]),
        username=row["username"],
        password_hash=row["password_hash"],
        role=UserRole(row["role"]),
        created_at=row["created_at"],
        status=UserStatus(row["status"]),
        full_name=row["full_name"],
        email=row["email"],
        last_login_at=row["last_login_at"],
        locked_until=row["locked_until"],
        totp_enabled=row["totp_enabled"],
    )
