"""Signing keys in PostgreSQL, the private ones sealed."""

from __future__ import annotations

from collections.abc import Sequence

import asyncpg

from services.admin.domain.keys import ALGORITHM, KeyState, SigningKey
from services.admin.store.database import Database
from services.admin.store.sealing import Sealer

_PUBLISHED = """
SELECT kid, state, public_jwk, private_key, created_at FROM admin.signing_keys
WHERE state <> 'retired' ORDER BY created_at, kid
"""
_ADD_FIRST = """
INSERT INTO admin.signing_keys (kid, algorithm, state, public_jwk, private_key, created_at)
VALUES ($1, $2, 'active', $3, $4, $5)
ON CONFLICT (state) WHERE state = 'active' DO NOTHING
"""


class PostgresKeys:
    """`ports.KeyStore`."""

    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer

    async def published(self) -> Sequence[SigningKey]:
        return [self._key(row) for row in await self._database.rows(_PUBLISHED)]

    async def add_first(self, key: SigningKey) -> bool:
        assert key.private_der is not None
        sealed = self._sealer.seal(key.private_der, key.kid)
        values = (key.kid, ALGORITHM, dict(key.public_jwk), sealed, key.created_at)
        return await self._database.execute(_ADD_FIRST, *values) == 1

    def _key(self, row: asyncpg.Record) -> SigningKey:
        sealed = row["private_key"]
        return SigningKey(
            kid=row["kid"],
            state=KeyState(row["state"]),
            public_jwk=row["public_jwk"],
            created_at=row["created_at"],
            private_der=self._sealer.open(sealed, row["kid"]) if sealed is not None else None,
        )
