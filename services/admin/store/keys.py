"""Signing keys in PostgreSQL, the private ones sealed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import asyncpg

from services.admin.domain.keys import ALGORITHM, SigningKey
from services.admin.store.database import Database
from services.admin.store.sealing import Sealer
from services.model.identity import KeyState

if TYPE_CHECKING:
    from services.admin.store.database import Connection

_PUBLISHED = """
SELECT kid, state, public_jwk, private_key, created_at, activates_at, retires_at FROM admin.signing_keys
WHERE state <> 'retired' ORDER BY created_at, kid
"""
_ADD_FIRST = """
INSERT INTO admin.signing_keys (kid, algorithm, state, public_jwk, private_key, created_at, activates_at)
VALUES ($1, $2, 'active', $3, $4, $5, $6)
ON CONFLICT (state) WHERE state = 'active' DO NOTHING
"""
_ADD_NEXT = """
INSERT INTO admin.signing_keys (kid, algorithm, state, public_jwk, private_key, created_at, activates_at)
VALUES ($1, $2, 'next', $3, $4, $5, $6)
ON CONFLICT (state) WHERE state = 'next' DO NOTHING
"""
_IS_NEXT = "SELECT FROM admin.signing_keys WHERE kid = $1 AND state = 'next' FOR UPDATE"
_STEP_DOWN = """
UPDATE admin.signing_keys SET state = 'retiring', retires_at = $1, private_key = NULL WHERE state = 'active'
"""
_STEP_UP = "UPDATE admin.signing_keys SET state = 'active', activates_at = $2 WHERE kid = $1"
_RETIRE = """
UPDATE admin.signing_keys SET state = 'retired', private_key = NULL WHERE state = 'retiring' AND retires_at <= $1
"""


class PostgresKeys:
    """`ports.KeyStore`."""

    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer

    async def published(self) -> Sequence[SigningKey]:
        return [self._key(row) for row in await self._database.rows(_PUBLISHED)]

    async def add_first(self, key: SigningKey) -> bool:
        return await self._database.execute(_ADD_FIRST, *self._values(key)) == 1

    async def add_next(self, key: SigningKey) -> bool:
        return await self._database.execute(_ADD_NEXT, *self._values(key)) == 1

    async def activate(self, kid: str, *, now: datetime, retires_at: datetime) -> bool:
        async def work(connection: Connection) -> bool:
            async with connection.transaction():
                if await connection.fetchrow(_IS_NEXT, kid) is None:
                    return False
                await connection.execute(_STEP_DOWN, retires_at)
                await connection.execute(_STEP_UP, kid, now)
                return True

        return await self._database.run(work)

    async def retire(self, now: datetime) -> int:
        return await self._database.execute(_RETIRE, now)

    def _values(self, key: SigningKey) -> tuple[object, ...]:
        assert key.private_der is not None
        sealed = self._sealer.seal(key.private_der, key.kid)
        return (key.kid, ALGORITHM, dict(key.public_jwk), sealed, key.created_at, key.since)

    def _key(self, row: asyncpg.Record) -> SigningKey:
        sealed = row["private_key"]
        return SigningKey(
            kid=row["kid"],
            state=KeyState(row["state"]),
            public_jwk=row["public_jwk"],
            created_at=row["created_at"],
            activates_at=row["activates_at"],
            retires_at=row["retires_at"],
            private_der=self._sealer.open(sealed, row["kid"]) if sealed is not None else None,
        )
