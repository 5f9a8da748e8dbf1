"""Service accounts in PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import asyncpg

from services.admin.domain.accounts import ServiceAccount
from services.admin.domain.places import Place
from services.admin.store.database import Database
from services.model.errors import Conflict, NotFound
from services.model.identity import AccountStatus

if TYPE_CHECKING:
    from services.admin.store.database import Connection

UNKNOWN = "there is no such service account"
_ACCOUNT = (
    "id, client_id, name, secret_sha256, secret_expires_at, scopes, status, is_system, created_at, "
    "description, previous_secret_sha256, previous_secret_valid_until, last_used_at"
)
_FIND = f"SELECT {_ACCOUNT} FROM admin.service_accounts WHERE client_id = $1"  # noqa: S608 - columns of ours
_SYSTEM = f"SELECT {_ACCOUNT} FROM admin.service_accounts WHERE is_system"  # noqa: S608 - as above
_ADD_SYSTEM = f"""
INSERT INTO admin.service_accounts ({_ACCOUNT}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
ON CONFLICT (is_system) WHERE is_system DO NOTHING
"""  # noqa: S608 - as above
_ADD = f"""
INSERT INTO admin.service_accounts ({_ACCOUNT}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
"""  # noqa: S608 - as above
_CHANGE_SECRET = """
UPDATE admin.service_accounts SET secret_sha256 = $2, secret_expires_at = $3,
    previous_secret_sha256 = NULL, previous_secret_valid_until = NULL
WHERE id = $1
"""  # noqa: S105 - SQL
_NOTE_USE = (
    "UPDATE admin.service_accounts SET last_used_at = $2 WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < $2)"
)
_GET = f"SELECT {_ACCOUNT} FROM admin.service_accounts WHERE id = $1"  # noqa: S608 - as above
_PAGE = f"""
SELECT {_ACCOUNT} FROM admin.service_accounts
WHERE ($1::text IS NULL OR status = $1) AND ($2::text IS NULL OR (name COLLATE "C", id) > ($2, $3::uuid))
ORDER BY name COLLATE "C", id LIMIT $4 OFFSET $5
"""  # noqa: S608 - as above
_COUNT = "SELECT count(*) AS total FROM admin.service_accounts WHERE $1::text IS NULL OR status = $1"
_CHANGE = """
UPDATE admin.service_accounts SET secret_sha256 = $2, secret_expires_at = $3, scopes = $4, status = $5,
    description = $6, previous_secret_sha256 = $7, previous_secret_valid_until = $8
WHERE id = $1
"""
_REMOVE = "DELETE FROM admin.service_accounts WHERE id = $1"


class PostgresAccounts:
    """`ports.AccountStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, client_id: str) -> ServiceAccount | None:
        row = await self._database.row(_FIND, client_id)
        return _account(row) if row else None

    async def system(self) -> ServiceAccount | None:
        row = await self._database.row(_SYSTEM)
        return _account(row) if row else None

    async def add_system(self, account: ServiceAccount) -> bool:
        try:
            return await self._database.execute(_ADD_SYSTEM, *_values(account)) == 1
        except asyncpg.UniqueViolationError:
            raise Conflict("another account has this client id") from None

    async def change_secret(self, account_id: str, secret_sha256: bytes, expires_at: datetime | None) -> None:
        if await self._database.execute(_CHANGE_SECRET, account_id, secret_sha256, expires_at) == 0:
            raise NotFound(UNKNOWN)

    async def note_use(self, account_id: str, at: datetime) -> None:
        await self._database.execute(_NOTE_USE, account_id, at)

    async def page(
        self, *, limit: int, offset: int = 0, after: Place | None = None, status: AccountStatus | None = None
    ) -> tuple[Sequence[ServiceAccount], int]:
        name, ident = (after.name, after.id) if after else (None, None)
        rows = await self._database.rows(_PAGE, status, name, ident, limit, offset)
        count = await self._database.row(_COUNT, status)
        return [_account(row) for row in rows], count["total"] if count else 0

    async def get(self, account_id: str) -> ServiceAccount | None:
        row = await self._database.row(_GET, account_id)
        return _account(row) if row else None

    async def add(self, account: ServiceAccount) -> None:
        try:
            await self._database.execute(_ADD, *_values(account))
        except asyncpg.UniqueViolationError:
            raise Conflict("another account has this client id") from None

    async def change(
        self, account_id: str, decide: Callable[[ServiceAccount], ServiceAccount | None]
    ) -> ServiceAccount | None:
        async def work(connection: Connection) -> ServiceAccount | None:
            async with connection.transaction():
                row = await connection.fetchrow(f"{_GET} FOR UPDATE", account_id)
                if row is None:
                    raise NotFound(UNKNOWN)
                changed = decide(_account(row))
                await (connection.execute(_REMOVE, account_id) if changed is None else _keep(connection, changed))
                return changed

        return await self._database.run(work)


async def _keep(connection: Connection, account: ServiceAccount) -> None:
    await connection.execute(
        _CHANGE, account.id, account.secret_sha256, account.secret_expires_at, account.scopes, account.status,
        account.description, account.previous_secret_sha256, account.previous_secret_valid_until,
    )  # fmt: skip


def _values(account: ServiceAccount) -> tuple[object, ...]:
    """In the order of `_ACCOUNT`."""
    return (
        account.id, account.client_id, account.name, account.secret_sha256, account.secret_expires_at, account.scopes,
        account.status, account.is_system, account.created_at, account.description, account.previous_secret_sha256,
        account.previous_secret_valid_until, account.last_used_at,
    )  # fmt: skip


def _account(row: asyncpg.Record) -> ServiceAccount:
    return ServiceAccount(
        id=str(row["id"]),
        client_id=row["client_id"],
        name=row["name"],
        secret_sha256=row["secret_sha256"],
        scopes=tuple(row["scopes"]),
        created_at=row["created_at"],
        secret_expires_at=row["secret_expires_at"],
        status=AccountStatus(row["status"]),
        is_system=row["is_system"],
        description=row["description"],
        previous_secret_sha256=row["previous_secret_sha256"],
        previous_secret_valid_until=row["previous_secret_valid_until"],
        last_used_at=row["last_used_at"],
    )
