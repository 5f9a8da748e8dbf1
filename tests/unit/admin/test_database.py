"""What failures of PostgreSQL mean to callers."""

from __future__ import annotations

import asyncpg
import pytest

from services.admin.store.database import unavailable_when_away
from services.model.errors import ServiceUnavailable


@pytest.mark.parametrize(
    "error",
    [
        ConnectionRefusedError("not listening"),
        TimeoutError(),
        asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation"),
        asyncpg.InterfaceError("the underlying connection is closed"),
        asyncpg.InternalClientError("cannot switch to state 12; another operation (2) is in progress"),
        asyncpg.CannotConnectNowError("the database system is starting up"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_connection_that_is_lost_is_an_outage_and_no_fault(error: Exception) -> None:
    with pytest.raises(ServiceUnavailable) as told, unavailable_when_away():
        raise error
    assert told.value.retry_after
