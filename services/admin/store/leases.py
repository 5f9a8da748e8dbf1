"""Work that one replica does at a time: advisory locks, each held by a connection of its own."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from services.admin.store.database import (
    CONNECT_TIMEOUT,
    CONNECTION_LOST,
    LOCKS_END_WITH_THEIR_HOST,
    unavailable_when_away,
)


class PostgresLeases:
    """`chassis.leases.Leases`. A replica that dies loses its connection, and with it the lock."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn

    @asynccontextmanager
    async def hold(self, name: str) -> AsyncIterator[bool]:
        with unavailable_when_away():
            connection = await asyncpg.connect(
                self._dsn,
                timeout=CONNECT_TIMEOUT,
                server_settings={"application_name": f"artstore-lease-{name}", **LOCKS_END_WITH_THEIR_HOST},
            )
        try:
            with unavailable_when_away():
                held = await connection.fetchval("SELECT pg_try_advisory_lock($1)", key_of(name))
            yield bool(held)
        finally:
            with contextlib.suppress(OSError, TimeoutError, asyncpg.PostgresError, *CONNECTION_LOST):
                await connection.close(timeout=CONNECT_TIMEOUT)  # the lock ends with it


def key_of(name: str) -> int:
    """The lock's key: 63 bits of the name's SHA-256."""
    return int.from_bytes(hashlib.sha256(f"artstore lease {name}".encode()).digest()[:8], "big") >> 1
