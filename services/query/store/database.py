"""A pool of reading connections to PostgreSQL, and what its failures mean to callers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from typing import Any, Final, TypeVar

import asyncpg

from services.chassis import telemetry
from services.chassis.logs import get_logger
from services.model.errors import DeadlineExceeded, ServiceUnavailable, ValidationFailed

CONNECT_TIMEOUT: Final = 3.0
"""Seconds for a new connection."""
ACQUIRE_TIMEOUT: Final = 5.0
"""Seconds to wait for a connection of the pool."""
CLOSE_TIMEOUT: Final = 5.0
"""Seconds for statements under way when the process ends."""
MARGIN: Final = timedelta(seconds=1)
"""How much longer than the server we wait for a statement: it is the server that gives up."""

CONNECTION_LOST = (asyncpg.InterfaceError, asyncpg.InternalClientError)
"""What asyncpg itself raises where a connection went away under us. The second one ("another operation is in progress")
where that happened in the middle of the statement before, and the pool has handed it out again at once."""
_AWAY = (
    OSError,  # not listening, name unknown
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # starting, stopping
    asyncpg.InsufficientResourcesError,
    asyncpg.PostgresSystemError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.TransactionRollbackError,  # a standby cancels what stands in its way
    asyncpg.InsufficientPrivilegeError,  # not migrated yet, like the next three
    asyncpg.UndefinedTableError,
    asyncpg.UndefinedColumnError,
    asyncpg.InvalidSchemaNameError,
    *CONNECTION_LOST,
)

Result = TypeVar("Result")

log = get_logger(__name__)


@contextmanager
def translated() -> Iterator[None]:
    """Raise `ServiceUnavailable`, `DeadlineExceeded` or `ValidationFailed` for what PostgreSQL says."""
    try:
        yield
    except asyncpg.QueryCanceledError as error:
        raise DeadlineExceeded("the search took too long; narrow it down") from error
    except asyncpg.DataError as error:
        # What the types of a request let through and PostgreSQL cannot hold, such as an escaped NUL in JSON.
        raise ValidationFailed("a condition cannot be compared with anything that is stored") from error
    except _AWAY as error:
        log.warning("PostgreSQL does not serve", error=type(error).__name__, reason=str(error))
        raise ServiceUnavailable("the registry does not answer now; try again", retry_after=2) from error


class Database:
    """Runs statements, each to its end even if its caller goes away.

    One that is cancelled half way would leave its connection in an unknown state.
    """

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._running: set[asyncio.Task[Any]] = set()

    async def rows(self, sql: str, *arguments: object) -> list[asyncpg.Record]:
        """All rows. Raises as `translated` says."""
        return await self._to_its_end(self._fetch(sql, arguments))

    async def row(self, sql: str, *arguments: object) -> asyncpg.Record | None:
        """The first row, or None. Raises as `translated` says."""
        rows = await self.rows(sql, *arguments)
        return rows[0] if rows else None

    async def close(self) -> None:
        """Let statements end, then close all connections."""
        if self._running:
            await asyncio.wait(self._running, timeout=CLOSE_TIMEOUT)
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT):
                await self._pool.close()
        except (TimeoutError, OSError, asyncpg.PostgresError, *CONNECTION_LOST):
            self._pool.terminate()

    async def _fetch(self, sql: str, arguments: tuple[object, ...]) -> list[asyncpg.Record]:
        with translated():
            async with self._pool.acquire(timeout=ACQUIRE_TIMEOUT) as connection:
                return await connection.fetch(sql, *arguments)

    async def _to_its_end(self, work: Coroutine[Any, Any, Result]) -> Result:
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # seen: where the caller has gone away, nobody else looks


@asynccontextmanager
async def open_database(dsn: str, *, size: int, statement_timeout: timedelta) -> AsyncIterator[Database]:
    """A pool of at most `size` connections, for as long as the block runs.

    None is opened yet: a process may start before PostgreSQL does.
    """
    telemetry.trace_sql()
    pool = asyncpg.create_pool(
        dsn,
        min_size=0,
        max_size=size,
        timeout=CONNECT_TIMEOUT,
        command_timeout=(statement_timeout + MARGIN).total_seconds(),
        reset=_keep,
        server_settings={
            "application_name": "artstore-query",
            "default_transaction_read_only": "on",
            "statement_timeout": str(int(statement_timeout.total_seconds() * 1000)),
            # A plan made without knowing the values cannot tell a rare word from a common one.
            "plan_cache_mode": "force_custom_plan",
            "jit": "off",  # our statements are short: compiling them costs more than it saves
        },
    )
    database = Database(await pool)
    try:
        yield database
    finally:
        await database.close()


async def _keep(connection: asyncpg.Connection) -> None:
    """Nothing to reset: no statement of ours changes its session. Saves a round trip each time."""
