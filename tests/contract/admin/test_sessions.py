"""What every store of people, of their failures and of their sessions promises."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from services.admin.domain.accounts import hash_secret
from services.admin.domain.places import Place
from services.admin.domain.users import AdminUser
from services.admin.ports import LoginGuard, SessionStore, UserStore
from services.admin.store.database import Database
from services.admin.store.sessions import PostgresSessions
from services.admin.store.users import PostgresUsers
from services.model.errors import Conflict, NotFound
from services.model.identity import UserRole, UserStatus
from tests.support.admin_things import NOW

if TYPE_CHECKING:
    from services.admin.store.database import Connection

LOCK = timedelta(minutes=15)
WEEK = timedelta(days=7)
A, B, C, D = (hash_secret(letter) for letter in "ABCD")


def user(username: str = "anna", **changes: Any) -> AdminUser:
    made = AdminUser(str(uuid.uuid4()), username, "$argon2id$…", UserRole.ADMIN, NOW, full_name="Анна", email="a@b")
    return replace(made, **changes)


async def test_a_user_is_found_without_regard_to_case(users: UserStore) -> None:
    anna = user("Anna")
    await users.add(anna)
    assert await users.find("aNNa") == await users.get(anna.id) == anna
    assert await users.find("ann") is None
    assert await users.get(str(uuid.uuid4())) is None
    with pytest.raises(Conflict):
        await users.add(user("ANNA"))


async def test_users_are_listed_by_name(users: UserStore) -> None:
    for name in ("b", "a", "C", "a-b", "ab"):
        await users.add(user(name))
    listed, total = await users.page(limit=10)
    assert ([each.username for each in listed], total) == (["C", "a", "a-b", "ab", "b"], 5)
    assert list((await users.page(limit=2, after=Place("a", listed[1].id)))[0]) == list(listed[2:4])
    assert list((await users.page(limit=2, offset=4))[0]) == list(listed[4:])


async def test_a_change_is_told_how_many_other_administrators_are_active(users: UserStore) -> None:
    anna, told = user("anna"), []
    for each in (anna, user("ivan"), user("olga", status=UserStatus.DISABLED), user("petr", role=UserRole.READONLY)):
        await users.add(each)

    def decide(seen: AdminUser, others: int) -> AdminUser:
        told.append(others)
        return replace(seen, full_name="Anna")

    assert await users.change(anna.id, decide) == replace(anna, full_name="Anna") == await users.get(anna.id)
    assert told == [1]
    assert await users.change(anna.id, lambda *_: None) is None
    assert await users.get(anna.id) is None
    with pytest.raises(NotFound):
        await users.change(anna.id, decide)


async def test_two_administrators_cannot_remove_each_other_at_once(users: UserStore) -> None:
    pair = [user("anna"), user("ivan")]
    for each in pair:
        await users.add(each)

    def remove(_: AdminUser, others: int) -> None:
        if others == 0:
            raise Conflict("the last one")

    ended = await asyncio.gather(*(users.change(each.id, remove) for each in pair), return_exceptions=True)
    assert sorted(type(each).__name__ for each in ended) == ["Conflict", "NoneType"]
    assert (await users.page(limit=10))[1] == 1


async def test_a_login_is_noted(users: UserStore) -> None:
    anna = user()
    await users.add(anna)
    await users.note_login(anna.id, NOW)
    assert await users.get(anna.id) == replace(anna, last_login_at=NOW)


async def test_so_many_failures_lock_a_name_for_a_while(guard: LoginGuard, users: UserStore) -> None:
    anna = user("Anna")
    await users.add(anna)
    at = NOW + timedelta(seconds=2)
    for second in range(3):
        assert await guard.attempt("anna", now=NOW + timedelta(seconds=second), limit=3, lock=LOCK) is None
    until = at + LOCK
    assert await guard.attempt("anna", now=at, limit=3, lock=LOCK) == until
    seen = await users.get(anna.id)
    assert seen is not None
    assert seen.locked_until == until
    assert seen.shown(at).status is UserStatus.LOCKED
    assert seen.shown(until).status is UserStatus.ACTIVE
    assert await guard.attempt("other", now=at, limit=3, lock=LOCK) is None
    assert await guard.attempt("anna", now=until, limit=3, lock=LOCK) is None  # and begins to count anew
    assert await guard.attempt("anna", now=until, limit=3, lock=LOCK) is None


async def test_a_success_forgives_and_so_does_time(guard: LoginGuard) -> None:
    for _ in range(2):
        assert await guard.attempt("anna", now=NOW, limit=2, lock=LOCK) is None
        await guard.forgive("anna")
    assert await guard.attempt("anna", now=NOW, limit=2, lock=LOCK) is None
    assert await guard.attempt("anna", now=NOW + LOCK, limit=2, lock=LOCK) is None
    assert await guard.attempt("anna", now=NOW + LOCK, limit=2, lock=LOCK) is None
    assert await guard.attempt("anna", now=NOW + LOCK, limit=2, lock=LOCK) == NOW + 2 * LOCK


async def test_of_many_tries_at_once_no_more_than_the_limit_are_let_through(guard: LoginGuard) -> None:
    tries = [guard.attempt("anna", now=NOW, limit=5, lock=LOCK) for _ in range(24)]
    answers = await asyncio.gather(*tries)
    assert answers.count(None) == 5
    assert set(answers) == {None, NOW + LOCK}


async def test_what_has_no_effect_any_more_is_forgotten(guard: LoginGuard) -> None:
    await guard.attempt("old", now=NOW - LOCK - timedelta(seconds=1), limit=5, lock=LOCK)
    await guard.attempt("locked", now=NOW - timedelta(seconds=1), limit=1, lock=LOCK)
    await guard.attempt("new", now=NOW, limit=5, lock=LOCK)
    assert await guard.prune(NOW - LOCK) == 1
    assert await guard.attempt("locked", now=NOW, limit=1, lock=LOCK) is not None


@pytest.fixture
async def anna(users: UserStore) -> AdminUser:
    made = user()
    await users.add(made)
    return made


async def spend(sessions: SessionStore, token: bytes, successor: bytes) -> str | None:
    return await sessions.spend(token, successor, now=NOW, expires_at=NOW + WEEK)


async def test_a_token_is_found_as_long_as_it_can_be_spent(sessions: SessionStore, anna: AdminUser) -> None:
    assert await sessions.find(A, NOW) is None
    await sessions.begin(A, anna, NOW + WEEK)
    assert await sessions.find(A, NOW) == (anna.id, NOW + WEEK)
    assert await sessions.find(A, NOW + WEEK) is None
    await spend(sessions, A, B)
    assert await sessions.find(A, NOW) is None
    assert await sessions.find(B, NOW) == (anna.id, NOW + WEEK)


async def test_each_token_is_good_for_one_use(sessions: SessionStore, anna: AdminUser) -> None:
    assert await sessions.begin(A, anna, NOW + WEEK)
    assert await spend(sessions, A, B) == anna.id
    assert await spend(sessions, B, C) == anna.id
    assert await spend(sessions, D, A) is None


async def test_a_token_used_twice_ends_its_session_and_no_other(sessions: SessionStore, anna: AdminUser) -> None:
    await sessions.begin(A, anna, NOW + WEEK)
    await sessions.begin(D, anna, NOW + WEEK)
    await spend(sessions, A, B)
    assert await spend(sessions, A, C) is None
    assert await spend(sessions, B, C) is None
    assert await spend(sessions, D, C) == anna.id


async def test_of_many_that_spend_one_token_at_once_nobody_keeps_a_session(
    sessions: SessionStore, anna: AdminUser
) -> None:
    await sessions.begin(A, anna, NOW + WEEK)
    successors = [hash_secret(str(number)) for number in range(8)]
    told = await asyncio.gather(*(spend(sessions, A, each) for each in successors))
    assert sorted(told, key=str) == [anna.id, *[None] * 7] or told.count(anna.id) == 1
    assert [await spend(sessions, each, hash_secret("next")) for each in successors] == [None] * 8


async def test_an_expired_token_is_none(sessions: SessionStore, anna: AdminUser) -> None:
    await sessions.begin(A, anna, NOW)
    await sessions.begin(B, anna, NOW + WEEK)
    assert await spend(sessions, A, C) is None
    assert await sessions.prune(NOW) == 1
    assert await spend(sessions, B, C) == anna.id


async def test_a_session_ends_by_any_of_its_tokens(sessions: SessionStore, anna: AdminUser) -> None:
    await sessions.begin(A, anna, NOW + WEEK)
    await spend(sessions, A, B)
    assert await sessions.end(A)
    assert not await sessions.end(A)
    assert await spend(sessions, B, C) is None


async def test_a_session_that_ends_while_it_goes_on_has_ended(database: Database) -> None:
    """Its successor is written after the end has begun to wait for the token."""
    sessions, owner = PostgresSessions(database), user()
    await PostgresUsers(database).add(owner)
    await sessions.begin(A, owner, NOW + WEEK)
    held, release = asyncio.Event(), asyncio.Event()

    async def hold(connection: Connection) -> None:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute(
            "INSERT INTO admin.refresh_tokens (token_sha256, family, user_id, expires_at) VALUES ($1, $2, $3, $4)",
            B, uuid.uuid4(), owner.id, NOW,
        )  # fmt: skip
        held.set()
        await release.wait()
        await transaction.rollback()

    holding = asyncio.create_task(database.run(hold))
    await held.wait()
    going_on = asyncio.create_task(spend(sessions, A, B))
    await waiting(database, 1)  # for the row that is held: it has spent A
    ending = asyncio.create_task(sessions.end(A))
    await waiting(database, 2)
    release.set()
    await holding
    assert (await going_on, await ending) == (owner.id, True)
    assert await sessions.find(B, NOW) is None


async def waiting(database: Database, count: int) -> None:
    """Return once so many statements wait for a lock."""
    async with asyncio.timeout(10):
        while True:
            found = await database.row("SELECT count(*) AS n FROM pg_locks WHERE NOT granted")
            if found is not None and found["n"] >= count:
                return


@pytest.mark.parametrize("change", [{"password_hash": "other"}, {"status": UserStatus.DISABLED}, None])
async def test_sessions_end_with_the_password_the_status_and_the_user(
    users: UserStore, sessions: SessionStore, anna: AdminUser, change: dict[str, Any] | None
) -> None:
    await sessions.begin(A, anna, NOW + WEEK)
    await users.change(anna.id, lambda each, _: None if change is None else replace(each, **change))
    assert await spend(sessions, A, B) is None
    assert not await sessions.begin(C, anna, NOW + WEEK)


async def test_other_changes_end_no_session(users: UserStore, sessions: SessionStore, anna: AdminUser) -> None:
    await sessions.begin(A, anna, NOW + WEEK)
    await users.change(anna.id, lambda each, _: replace(each, role=UserRole.READONLY))
    assert await spend(sessions, A, B) == anna.id


async def test_a_session_that_goes_on_while_its_user_is_disabled_ends_too(
    users: UserStore, sessions: SessionStore, anna: AdminUser
) -> None:
    for number in range(10):
        await sessions.begin(hash_secret(f"first {number}"), anna, NOW + WEEK)
    going_on = [spend(sessions, hash_secret(f"first {n}"), hash_secret(f"second {n}")) for n in range(10)]
    await asyncio.gather(*going_on, users.change(anna.id, lambda each, _: replace(each, password_hash="other")))
    left = [await spend(sessions, hash_secret(f"{kind} {n}"), D) for n in range(10) for kind in ("first", "second")]
    assert left == [None] * 20
