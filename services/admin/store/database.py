"""The pool of connections to PostgreSQL, and what its failures mean to callers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from services.chassis import telemetry
from services.chassis.logs import get_logger
from services.model.errors import ServiceUnavailable

LOCKS_END_WITH_THEIR_HOST = {
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "2",
}
"""Session settings where advisory locks are held: a host that is gone without a word is noticed within 15 seconds, not
within the two hours that operating systems take. Without meaning for a unix socket."""
CONNECT_TIMEOUT = 2.0
"""Seconds for a new connection."""
ACQUIRE_TIMEOUT = 3.0
"""Seconds to wait for a connection of the pool; less than callers wait for Admin, so that they learn why."""
COMMAND_TIMEOUT = 5.0
"""Seconds for one statement; the server gives up at the same time, so that it does not work for nobody."""
CLOSE_TIMEOUT = 5.0
"""Seconds for statements under way when the process ends."""
RETRY_AFTER = 2.0

Result = TypeVar("Result")
if TYPE_CHECKING:  # generic only to type checkers
    Connection = PoolConnectionProxy[asyncpg.Record]

log = get_logger(__name__)

CONNECTION_LOST = (asyncpg.InterfaceError, asyncpg.InternalClientError)
"""What asyncpg itself raises where a connection went away under us. The second one ("another operation is in progress")
where that happened in the middle of the statement before, and the pool has handed it out again at once."""
_AWAY = (
    OSError,  # not listening, name unknown
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # starting, stopping, statement_timeout
    asyncpg.InsufficientResourcesError,  # too many connections, disk full
    asyncpg.PostgresSystemError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.ReadOnlySQLTransactionError,  # a standby: another one leads now
    asyncpg.TransactionRollbackError,  # deadlock: asking again helps
    asyncpg.UndefinedTableError,  # not migrated yet, like the next two
    asyncpg.UndefinedColumnError,
    asyncpg.InvalidSchemaNameError,
    *CONNECTION_LOST,
)
"""Nobody can help that the registry does not answer: the caller is told to ask again."""


@contextmanager
def unavailable_when_away() -> Iterator[None]:
    """Raise `ServiceUnavailable` where PostgreSQL cannot serve now; the reason goes to the log only."""
    try:
        yield
    except asyncpg.DataError:
        raise  # a fault of ours or of our data, not an outage
    except _AWAY as error:
        log.warning("PostgreSQL does not serve", error=type(error).__name__, reason=str(error))
        raise ServiceUnavailable("the registry does not answer now; try again", retry_after=RETRY_AFTER) from error


class Database:
    """Runs statements, each to its end even if its caller goes away.

    A statement that is cancelled half way would leave its connection in an unknown state.
    """

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._running: set[asyncio.Task[Any]] = set()

    async def rows(self, sql: str, *arguments: object) -> list[asyncpg.Record]:
        """All rows. Raises `ServiceUnavailable`."""
        return await self.run(lambda connection: connection.fetch(sql, *arguments))

    async def row(self, sql: str, *arguments: object) -> asyncpg.Record | None:
        """The first row, or None. Raises `ServiceUnavailable`."""
        return await self.run(lambda connection: connection.fetchrow(sql, *arguments))

    async def execute(self, sql: str, *arguments: object) -> int:
        """Return how many rows were changed. Raises `ServiceUnavailable`."""
        status = await self.run(lambda connection: connection.execute(sql, *arguments))
        return int(status.rpartition(" ")[2])

    async def run(self, work: Callable[[Connection], Awaitable[Result]]) -> Result:
        """Do `work` with a connection. Raises `ServiceUnavailable`."""
        return await self._to_its_end(self._with_connection(work))

    async def _with_connection(self, work: Callable[[Connection], Awaitable[Result]]) -> Result:
        with unavailable_when_away():
            async with self._pool.acquire(timeout=ACQUIRE_TIMEOUT) as connection:
                return await work(connection)

    async def _to_its_end(self, work: Coroutine[Any, Any, Result]) -> Result:
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # seen: where the caller has gone away, nobody else looks

    async def close(self) -> None:
        """Let statements end, then close all connections."""
        if self._running:
            await asyncio.wait(self._running, timeout=CLOSE_TIMEOUT)
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT):
                await self._pool.close()
        except (TimeoutError, OSError, asyncpg.PostgresError, *CONNECTION_LOST):
            self._pool.terminate()


@asynccontextmanager
async def open_database(dsn: str, *, size: int, application: str = "artstore-admin") -> AsyncIterator[Database]:
    """A pool of at most `size` connections, for as long as the block runs.

    None is opened yet: a process may start before PostgreSQL does.
    """
    telemetry.trace_sql()
    pool = asyncpg.create_pool(
        dsn,
        min_size=0,
        max_size=size,
        timeout=CONNECT_TIMEOUT,
        command_timeout=COMMAND_TIMEOUT,
        init=_prepare,
        reset=_keep,
        server_settings={
            "application_name": application,
            "statement_timeout": str(int(COMMAND_TIMEOUT * 1000)),
            "jit": "off",  # our statements are short: compiling them costs more than it saves
        },
    )
    database = Database(await pool)
    try:
        yield database
    finally:
        await database.close()


async def _prepare(connection: asyncpg.Connection) -> None:
    # In binary, since rows that are copied have no other form.
    await connection.set_type_codec(
        "jsonb", schema="pg_catalog", encoder=_jsonb, decoder=lambda value: json.loads(value[1:]), format="binary"
    )


def _jsonb(value: object) -> bytes:
    """Version 1 of the format, which is the text; bytes are JSON already."""
    return b"\x01" + (value if isinstance(value, bytes) else json.dumps(value).encode())


async def _keep(connection: asyncpg.Connection) -> None:
    """Nothing to reset: no statement of ours changes its session. Saves a round trip each time."""
