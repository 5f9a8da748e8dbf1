"""What every store of second factors promises."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import replace
from datetime import timedelta

import pytest

from services.admin.domain.accounts import hash_secret
from services.admin.domain.second_factor import Factor
from services.admin.domain.users import AdminUser
from services.admin.ports import SecondFactors, SessionStore, UserStore
from services.admin.store.database import Database
from services.model.identity import UserRole
from tests.support.admin_things import NOW

SECRET = bytes(range(20))
FACTOR = Factor(SECRET, NOW, confirmed=False)
CODES = [hash_secret(f"code {number}") for number in range(3)]
LATER = NOW + timedelta(minutes=1)


@pytest.fixture
async def anna(users: UserStore) -> AdminUser:
    made = AdminUser(str(uuid.uuid4()), "anna", "$argon2id$…", UserRole.ADMIN, NOW)
    await users.add(made)
    return made


async def confirmed(factors: SecondFactors, anna: AdminUser, step: int = 100) -> None:
    assert await factors.enrol(anna.id, FACTOR)
    assert await factors.confirm(anna.id, FACTOR, step, CODES, LATER)


async def test_one_that_was_begun_counts_only_when_it_is_confirmed(
    factors: SecondFactors, users: UserStore, anna: AdminUser
) -> None:
    assert await factors.find(anna.id) is None
    assert await factors.enrol(anna.id, FACTOR)
    assert await factors.find(anna.id) == FACTOR
    assert not await factors.spend_step(anna.id, 100)
    found = await users.get(anna.id)
    assert found is not None
    assert not found.totp_enabled
    assert await factors.confirm(anna.id, FACTOR, 100, CODES, LATER)
    assert await factors.find(anna.id) == replace(FACTOR, confirmed=True)
    for found in (await users.get(anna.id), await users.find("anna"), (await users.page(limit=5))[0][0]):
        assert found is not None
        assert found.totp_enabled


async def test_beginning_again_replaces_what_was_begun_but_not_what_counts(
    factors: SecondFactors, anna: AdminUser
) -> None:
    second = Factor(bytes(20), LATER, confirmed=False)
    assert await factors.enrol(anna.id, FACTOR)
    assert await factors.enrol(anna.id, second)
    assert not await factors.confirm(anna.id, FACTOR, 100, CODES, LATER)  # of the first, whose code came too late
    assert await factors.confirm(anna.id, second, 100, CODES, LATER)
    assert not await factors.enrol(anna.id, FACTOR)
    assert not await factors.confirm(anna.id, second, 101, CODES, LATER)
    assert await factors.find(anna.id) == replace(second, confirmed=True)


async def test_a_step_is_used_up_with_all_before_it(factors: SecondFactors, anna: AdminUser) -> None:
    await confirmed(factors, anna, step=100)
    assert not await factors.spend_step(anna.id, 100)
    assert not await factors.spend_step(anna.id, 99)
    assert await factors.spend_step(anna.id, 101)
    assert not await factors.spend_step(anna.id, 101)


async def test_of_fifty_who_show_the_same_code_at_once_one_is_let_in(factors: SecondFactors, anna: AdminUser) -> None:
    await confirmed(factors, anna)
    assert sum(await asyncio.gather(*(factors.spend_step(anna.id, 101) for _ in range(50)))) == 1
    assert sum(await asyncio.gather(*(factors.spend_code(anna.id, CODES[0]) for _ in range(50)))) == 1


async def test_each_recovery_code_is_good_once(factors: SecondFactors, anna: AdminUser) -> None:
    await confirmed(factors, anna)
    assert await factors.spend_code(anna.id, CODES[0])
    assert not await factors.spend_code(anna.id, CODES[0])
    assert not await factors.spend_code(anna.id, hash_secret("another"))
    assert not await factors.spend_code(str(uuid.uuid4()), CODES[1])
    await factors.replace_codes(anna.id, [hash_secret("new")])
    assert not await factors.spend_code(anna.id, CODES[1])
    assert await factors.spend_code(anna.id, hash_secret("new"))


async def test_sessions_end_when_it_comes_and_when_it_goes(
    factors: SecondFactors, sessions: SessionStore, users: UserStore, anna: AdminUser
) -> None:
    week = NOW + timedelta(days=7)
    await sessions.begin(hash_secret("before"), anna, week)
    await confirmed(factors, anna)
    assert await sessions.find(hash_secret("before"), NOW) is None
    # Whose password was looked at before it came must be asked for a code.
    assert not await sessions.begin(hash_secret("late"), anna, week)
    present = await users.get(anna.id)
    assert present is not None
    assert await sessions.begin(hash_secret("with it"), present, week)
    await factors.remove(anna.id)
    assert await sessions.find(hash_secret("with it"), NOW) is None
    assert await factors.find(anna.id) is None
    assert not await factors.spend_code(anna.id, CODES[0])
    assert await factors.enrol(anna.id, FACTOR)


async def test_it_goes_with_its_person(factors: SecondFactors, users: UserStore, anna: AdminUser) -> None:
    await confirmed(factors, anna)
    await users.change(anna.id, lambda *_: None)
    assert await users.get(anna.id) is None


async def test_the_secret_is_nowhere_in_clear(database: Database) -> None:
    from services.admin.store.sealing import Sealer
    from services.admin.store.second_factors import PostgresSecondFactors
    from services.admin.store.users import PostgresUsers
    from tests.contract.admin.conftest import KEY_ENCRYPTION_KEY

    anna = AdminUser(str(uuid.uuid4()), "anna", "$argon2id$…", UserRole.ADMIN, NOW)
    await PostgresUsers(database).add(anna)
    await confirmed(PostgresSecondFactors(database, Sealer(KEY_ENCRYPTION_KEY)), anna)
    row = await database.row("SELECT totp_secret FROM admin.users")
    assert row is not None
    assert SECRET not in row["totp_secret"]
    codes = await database.rows("SELECT code_sha256 FROM admin.recovery_codes")
    assert {bytes(each["code_sha256"]) for each in codes} == set(CODES)
