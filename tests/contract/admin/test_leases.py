"""A lease in PostgreSQL: one holder at a time, and it ends with whoever holds it."""

from __future__ import annotations

import asyncio

from services.admin.store.leases import PostgresLeases, key_of
from services.chassis.leases import alone
from tests.support.postgres import PostgresServer


async def test_one_at_a_time_holds_it(postgres: PostgresServer) -> None:
    leases = PostgresLeases((await postgres.create_database()).owner_dsn)
    async with leases.hold("a") as first, leases.hold("a") as second, leases.hold("b") as other:
        assert (first, second, other) == (True, False, True)
    async with leases.hold("a") as again:
        assert again


async def test_it_ends_with_an_error_too(postgres: PostgresServer) -> None:
    leases = PostgresLeases((await postgres.create_database()).owner_dsn)
    for _ in range(2):
        try:
            async with leases.hold("a") as held:
                assert held
                raise KeyError
        except KeyError:
            pass


async def test_a_pass_is_done_by_one_and_left_by_the_others(postgres: PostgresServer) -> None:
    leases = PostgresLeases((await postgres.create_database()).owner_dsn)
    done, begun, go_on = [], asyncio.Event(), asyncio.Event()

    async def one_pass() -> None:
        done.append(1)
        begun.set()
        await go_on.wait()

    guarded = alone(leases, "work", one_pass)
    first = asyncio.create_task(guarded())
    await begun.wait()
    await asyncio.gather(guarded(), guarded())
    go_on.set()
    await first
    assert done == [1]
    await guarded()
    assert done == [1, 1]


async def test_without_a_store_nothing_is_done() -> None:
    await alone(PostgresLeases("postgresql://nobody@127.0.0.1:1/none"), "work", lambda: 1 / 0)()  # type: ignore[arg-type,return-value]  # never called


def test_different_names_have_different_keys() -> None:
    assert key_of("a") != key_of("b")
    assert 0 <= key_of("a") < 1 << 63
