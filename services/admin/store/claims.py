"""Which replica does what: advisory locks, all of a process on one connection.

A process that dies loses its connection, and with it every claim at once, without waiting for a clock; one whose host
dies or is cut off, within 15 seconds.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection
from types import TracebackType
from typing import Self

import asyncpg

from services.admin.store.database import (
    COMMAND_TIMEOUT,
    CONNECT_TIMEOUT,
    CONNECTION_LOST,
    LOCKS_END_WITH_THEIR_HOST,
    unavailable_when_away,
)
from services.admin.store.leases import key_of

_TRY = "SELECT name, pg_try_advisory_lock(key) AS held FROM unnest($1::text[], $2::bigint[]) AS t (name, key)"
_RELEASE = "SELECT pg_advisory_unlock(key) FROM unnest($1::bigint[]) AS t (key)"


class PostgresClaims:
    """`ports.Claims`."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._connection: asyncpg.Connection | None = None
        self._held: set[str] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._drop()

    async def hold(self, names: Collection[str]) -> frozenset[str]:
        try:
            with unavailable_when_away():
                connection = await self._connected()
                leaving = self._held.difference(names)
                await connection.fetch(_RELEASE, [key_of(name) for name in leaving])
                self._held -= leaving
                asked = [name for name in names if name not in self._held]
                rows = await connection.fetch(_TRY, asked, [key_of(name) for name in asked])
                self._held.update(row["name"] for row in rows if row["held"])
        except BaseException:
            await self._drop()  # whether the locks are still there is not known: they are not ours any more
            raise
        return frozenset(self._held)

    async def _connected(self) -> asyncpg.Connection:
        if self._connection is None or self._connection.is_closed():
            self._held.clear()
            self._connection = await asyncpg.connect(
                self._dsn,
                timeout=CONNECT_TIMEOUT,
                command_timeout=COMMAND_TIMEOUT,
                server_settings={"application_name": "artstore-claims", **LOCKS_END_WITH_THEIR_HOST},
            )
        return self._connection

    async def _drop(self) -> None:
        connection, self._connection = self._connection, None
        self._held.clear()
        if connection is not None:
            with contextlib.suppress(OSError, TimeoutError, asyncpg.PostgresError, *CONNECTION_LOST):
                await connection.close(timeout=CONNECT_TIMEOUT)
