"""Second factors in PostgreSQL, their secrets sealed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from services.admin.domain.second_factor import Factor
from services.admin.store.database import Database
from services.admin.store.sealing import Sealer

if TYPE_CHECKING:
    from services.admin.store.database import Connection

_FIND = """
SELECT totp_secret, totp_enrolled_at, totp_confirmed_at IS NOT NULL AS confirmed FROM admin.users
WHERE id = $1 AND totp_secret IS NOT NULL
"""
_ENROL = """
UPDATE admin.users SET totp_secret = $2, totp_enrolled_at = $3, totp_last_step = 0
WHERE id = $1 AND totp_confirmed_at IS NULL
"""
_CONFIRM = """
UPDATE admin.users SET totp_confirmed_at = $3, totp_last_step = $4
WHERE id = $1 AND totp_enrolled_at = $2 AND totp_confirmed_at IS NULL
"""
# One statement: of many logins with the same code at once, one finds a step that is not used up.
_SPEND_STEP = """
UPDATE admin.users SET totp_last_step = $2
WHERE id = $1 AND totp_confirmed_at IS NOT NULL AND totp_last_step < $2
"""
_SPEND_CODE = "DELETE FROM admin.recovery_codes WHERE user_id = $1 AND code_sha256 = $2"
_REMOVE_CODES = "DELETE FROM admin.recovery_codes WHERE user_id = $1"
_ADD_CODES = "INSERT INTO admin.recovery_codes (user_id, code_sha256) SELECT $1, unnest($2::bytea[])"
_REMOVE = """
UPDATE admin.users SET totp_secret = NULL, totp_enrolled_at = NULL, totp_confirmed_at = NULL, totp_last_step = 0
WHERE id = $1
"""
_END_SESSIONS = "DELETE FROM admin.refresh_tokens WHERE user_id = $1"


class PostgresSecondFactors:
    """`ports.SecondFactors`."""

    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer

    async def find(self, user_id: str) -> Factor | None:
        row = await self._database.row(_FIND, user_id)
        if row is None:
            return None
        secret = self._sealer.open(row["totp_secret"], _name(user_id))
        return Factor(secret, row["totp_enrolled_at"], row["confirmed"])

    async def enrol(self, user_id: str, factor: Factor) -> bool:
        sealed = self._sealer.seal(factor.secret, _name(user_id))
        return await self._database.execute(_ENROL, user_id, sealed, factor.enrolled_at) == 1

    async def confirm(self, user_id: str, factor: Factor, step: int, codes: Sequence[bytes], now: datetime) -> bool:
        async def work(connection: Connection) -> bool:
            async with connection.transaction():
                confirmed = await connection.execute(_CONFIRM, user_id, factor.enrolled_at, now, step)
                if confirmed != "UPDATE 1":
                    return False
                await _replace(connection, user_id, codes)
                await connection.execute(_END_SESSIONS, user_id)
                return True

        return await self._database.run(work)

    async def spend_step(self, user_id: str, step: int) -> bool:
        return await self._database.execute(_SPEND_STEP, user_id, step) == 1

    async def spend_code(self, user_id: str, code_sha256: bytes) -> bool:
        return await self._database.execute(_SPEND_CODE, user_id, code_sha256) == 1

    async def replace_codes(self, user_id: str, codes: Sequence[bytes]) -> None:
        async def work(connection: Connection) -> None:
            async with connection.transaction():
                await _replace(connection, user_id, codes)

        await self._database.run(work)

    async def remove(self, user_id: str) -> None:
        async def work(connection: Connection) -> None:
            async with connection.transaction():
                await connection.execute(_REMOVE, user_id)
                await connection.execute(_REMOVE_CODES, user_id)
                await connection.execute(_END_SESSIONS, user_id)

        await self._database.run(work)


async def _replace(connection: Connection, user_id: str, codes: Sequence[bytes]) -> None:
    await connection.execute(_REMOVE_CODES, user_id)
    await connection.execute(_ADD_CODES, user_id, list(codes))


def _name(user_id: str) -> str:
    """What the sealed secret is bound to."""
    return f"totp:{user_id}"
