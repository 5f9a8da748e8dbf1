"""Service accounts and users in PostgreSQL."""

from __future__ import annotations

from datetime import datetime

import asyncpg

from services.admin.domain.accounts import AccountStatus, AdminUser, ServiceAccount
from services.admin.store.database import Database
from services.model.errors import Conflict, NotFound

_ACCOUNT = "id, client_id, name, secret_sha256, secret_expires_at, scopes, status, is_system, created_at"
_FIND = f"SELECT {_ACCOUNT} FROM admin.service_accounts WHERE client_id = $1"  # noqa: S608 - columns of ours
_SYSTEM = f"SELECT {_ACCOUNT} FROM admin.service_accounts WHERE is_system"  # noqa: S608 - as above
_ADD_SYSTEM = f"""
INSERT INTO admin.service_accounts ({_ACCOUNT}) VALUES ($1, $2, $3, $4, $5, $6, $7, true, $8)
ON CONFLICT (is_system) WHERE is_system DO NOTHING
"""  # noqa: S608 - as above
_CHANGE_SECRET = "UPDATE admin.service_accounts SET secret_sha256 = $2, secret_expires_at = $3 WHERE id = $1"  # noqa: S105 - SQL
_ADD_FIRST_USER = """
INSERT INTO admin.users (id, username, password_hash, role, status, created_at)
SELECT $1, $2, $3, $4, $5, $6 WHERE NOT EXISTS (SELECT FROM admin.users)
ON CONFLICT DO NOTHING
"""


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
            return await self._database.execute(
                _ADD_SYSTEM, account.id, account.client_id, account.name, account.secret_sha256,
                account.secret_expires_at, account.scopes, account.status, account.created_at,
            ) == 1  # fmt: skip
        except asyncpg.UniqueViolationError:
            raise Conflict("another account has this client id") from None

    async def change_secret(self, account_id: str, secret_sha256: bytes, expires_at: datetime | None) -> None:
        if await self._database.execute(_CHANGE_SECRET, account_id, secret_sha256, expires_at) == 0:
            raise NotFound("there is no such service account")


class PostgresUsers:
    """`ports.UserStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def any(self) -> bool:
        return await self._database.row("SELECT FROM admin.users LIMIT 1") is not None

    async def add_first(self, user: AdminUser) -> bool:
        values = (user.id, user.username, user.password_hash, user.role, user.status, user.created_at)
        return await self._database.execute(_ADD_FIRST_USER, *values) == 1


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
    )
