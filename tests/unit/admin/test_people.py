"""People: passwords, logins, locks, sessions, and the last administrator."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from services.admin.domain.passwords import problems
from services.admin.domain.users import SCOPES_OF, changed, check_texts, check_username
from services.admin.usecases.passwords import MOST_WAITING, WORKERS, Argon2Passwords, common
from services.admin.usecases.users import ListUsers
from services.model.errors import AccountLocked, Conflict, Forbidden, RateLimited, Unauthorized, ValidationFailed
from services.model.identity import SCOPES, UserChange, UserRole, UserStatus
from services.model.paging import PageRequest
from tests.support.admin_things import NOW, account
from tests.support.people import LOCK, PASSWORD, WEEK, House, claims, person


@pytest.fixture
async def house() -> House:
    made = House()
    await made.ring.ensure()
    return made


@pytest.mark.parametrize(
    "password",
    ["eleven char", "x" * 257, "Password1234!", "qwertyqwerty", "1qaz2wsx3edc", "aaaaaaaaaaaaa", "ababababababab",
     "123456123456", "letmeinletmein", "!!!dragon2026!!!", "my name is anna", "ANNA-is-the-best"],
)  # fmt: skip
def test_a_password_that_is_soon_guessed_is_refused(password: str) -> None:
    assert [problem.field for problem in problems(password, "anna", "password", common())] == ["password"]


@pytest.mark.parametrize("password", [PASSWORD, "пароль из слов и 7 чисел", "x7Kq-vv0-pLz9", "j" * 7 + "kqzvw"])
def test_other_passwords_are_taken(password: str) -> None:
    assert problems(password, "anna", "password", common()) == []


@pytest.mark.parametrize("name", ["", "sa_x", "SA_x", "a b", "анна", ".a", "a" * 65, "a:b", "a\n"])
def test_names_that_nobody_may_have(name: str) -> None:
    assert [problem.field for problem in check_username(name)] == ["username"]


@pytest.mark.parametrize("name", ["a", "Anna.K", "anna@example.org", "7", "sa", "a" * 64])
def test_other_names_are_taken(name: str) -> None:
    assert check_username(name) == []


def test_texts_about_a_user_are_short_and_plain() -> None:
    assert check_texts("Анна К.", "a@b") == []
    assert [each.field for each in check_texts("x" * 201, "a\nb")] == ["full_name", "email"]


async def test_a_login_gives_the_scopes_of_the_role(house: House) -> None:
    found = await claims(house, await house.login("Anna", PASSWORD))
    assert (found["sub"], found["scope"], found["roles"]) == ("anna", " ".join(SCOPES), ["admin"])
    found = await claims(house, await house.login("ivan", PASSWORD))
    assert found["scope"] == "files:read storage:read admin:read"
    noted = await house.users.get(house.anna.id)
    assert noted is not None
    assert noted.last_login_at == NOW


async def test_unknown_wrong_and_disabled_look_the_same_and_cost_the_same(house: House) -> None:
    house.users.users.append(person("olga"))
    await house.update(house.users.users[-1].id, UserChange(status=UserStatus.DISABLED), by=house.boss)
    told = set()
    for name, password in (("nobody", PASSWORD), ("anna", "wrong password"), ("olga", PASSWORD)):
        with pytest.raises(Unauthorized) as refused:
            await house.login(name, password)
        told.add(refused.value.message)
    assert len(told) == 1
    assert len(house.passwords.looked) == 3


@pytest.mark.parametrize("name", ["anna", "nobody"])
async def test_five_failures_lock_a_name_whether_or_not_somebody_has_it(house: House, name: str) -> None:
    await house.fails(5, name)
    with pytest.raises(AccountLocked) as refused:
        await house.login(name.upper(), PASSWORD)
    assert refused.value.retry_after == LOCK.total_seconds()
    house.clock.advance(LOCK)
    await house.fails(1, name)


async def test_after_the_lock_the_right_password_counts_again(house: House) -> None:
    await house.fails(5)
    house.clock.advance(LOCK)
    assert (await house.login("anna", PASSWORD)).scope
    await house.fails(4)
    assert (await house.login("anna", PASSWORD)).scope


async def test_of_many_wrong_tries_at_once_five_are_looked_at(house: House) -> None:
    tries = await asyncio.gather(*(house.login("anna", "wrong password") for _ in range(20)), return_exceptions=True)
    kinds = [type(each).__name__ for each in tries]
    assert (kinds.count("Unauthorized"), kinds.count("AccountLocked")) == (5, 15)
    assert len(house.passwords.looked) == 5


async def test_many_right_logins_at_once_all_succeed(house: House) -> None:
    assert len(await asyncio.gather(*(house.login("anna", PASSWORD) for _ in range(20)))) == 20


async def test_a_full_house_counts_no_failure(house: House) -> None:
    house.passwords.full = True
    for _ in range(6):
        with pytest.raises(RateLimited):
            await house.login("anna", PASSWORD)
    house.passwords.full = False
    assert (await house.login("anna", PASSWORD)).scope


@pytest.mark.parametrize("name", ["", "a" * 65, "a\0"])
async def test_a_name_that_cannot_be_is_not_even_looked_for(house: House, name: str) -> None:
    with pytest.raises(Unauthorized):
        await house.login(name, PASSWORD)
    assert house.guard.failures == {}


async def test_an_unlocked_user_may_try_again(house: House) -> None:
    await house.fails(5)
    (listed, _) = (await ListUsers(users=house.users, clock=house.clock)(PageRequest())).items
    assert (listed.status, listed.locked_until) == (UserStatus.LOCKED, NOW + LOCK)
    unlocked = await house.unlock(house.anna.id, by=house.boss)
    assert (unlocked.status, unlocked.locked_until) == (UserStatus.ACTIVE, None)
    assert (await house.login("anna", PASSWORD)).scope


async def test_a_session_goes_on_with_the_rights_of_today(house: House) -> None:
    house.users.users.append(person("olga"))
    first = await house.login("olga", PASSWORD)
    await house.update(house.users.users[-1].id, UserChange(role=UserRole.READONLY), by=house.boss)
    second = await house.refresh(first.refresh_token)
    assert (await claims(house, second))["scope"] == " ".join(SCOPES_OF[UserRole.READONLY])
    assert first.refresh_token not in repr(first)


async def test_a_refresh_token_used_twice_ends_the_session(house: House) -> None:
    first = await house.login("anna", PASSWORD)
    second = await house.refresh(first.refresh_token)
    for token in (first.refresh_token, second.refresh_token):
        with pytest.raises(Unauthorized):
            await house.refresh(token)


async def test_a_session_ends_when_it_is_ended_and_in_time(house: House) -> None:
    session = await house.login("anna", PASSWORD)
    await house.logout(session.refresh_token)
    await house.logout("unknown")
    with pytest.raises(Unauthorized):
        await house.refresh(session.refresh_token)
    session = await house.login("anna", PASSWORD)
    house.clock.advance(WEEK)
    with pytest.raises(Unauthorized):
        await house.refresh(session.refresh_token)
    assert await house.prune() == 1


async def test_a_changed_password_ends_every_session(house: House) -> None:
    session = await house.login("anna", PASSWORD)
    await house.change_password(PASSWORD, "a much better one", by=house.identity(house.anna))
    with pytest.raises(Unauthorized):
        await house.refresh(session.refresh_token)
    assert (await house.login("anna", "a much better one")).scope


async def test_a_stolen_token_does_not_help_to_guess_the_password(house: House) -> None:
    for _ in range(5):
        with pytest.raises(Unauthorized):
            await house.change_password("wrong password", "a much better one", by=house.identity(house.anna))
    with pytest.raises(AccountLocked):
        await house.change_password(PASSWORD, "a much better one", by=house.identity(house.anna))


async def test_a_password_that_was_reset_meanwhile_is_not_changed_back(house: House) -> None:
    hashing = house.passwords.hash

    async def reset_while_it_is_hashed(password: str) -> str:
        await house.users.change(house.anna.id, lambda user, _: replace(user, password_hash="reset"))
        return await hashing(password)

    house.passwords.hash = reset_while_it_is_hashed  # type: ignore[method-assign]
    with pytest.raises(Conflict):
        await house.change_password(PASSWORD, "a much better one", by=house.identity(house.anna))
    user = await house.users.get(house.anna.id)
    assert user is not None
    assert user.password_hash == "reset"


async def test_a_service_account_has_no_password(house: House) -> None:
    with pytest.raises(Forbidden):
        await house.change_password(PASSWORD, "a much better one", by=house.boss)


async def test_a_reset_password_counts_at_once_and_unlocks(house: House) -> None:
    await house.fails(5)
    with pytest.raises(ValidationFailed):
        await house.reset(house.anna.id, "password1234", by=house.boss)
    await house.reset(house.anna.id, "a much better one", by=house.boss)
    assert (await house.login("anna", "a much better one")).scope


async def test_nobody_makes_or_takes_over_somebody_who_can_do_more(house: House) -> None:
    with pytest.raises(Forbidden):
        await house.create("olga", PASSWORD, UserRole.ADMIN, "", "", by=house.less)
    with pytest.raises(Forbidden):
        await house.reset(house.anna.id, "a much better one", by=house.less)
    with pytest.raises(Forbidden):
        await house.update(house.ivan.id, UserChange(role=UserRole.ADMIN), by=house.less)
    reader = house.identity(house.ivan)
    with pytest.raises(Unauthorized):
        await house.create("olga", PASSWORD, UserRole.READONLY, "", "", by=reader)


async def test_a_new_user_has_a_name_of_his_own(house: House) -> None:
    made = await house.create("olga", PASSWORD, UserRole.READONLY, "Ольга", "o@x", by=house.boss)
    assert (made.username, made.role, made.status, made.full_name) == ("olga", "readonly", "active", "Ольга")
    with pytest.raises(Conflict):
        await house.create("OLGA", PASSWORD, UserRole.READONLY, "", "", by=house.boss)
    await house.accounts.add(account(client_id="machine"))
    with pytest.raises(Conflict):
        await house.create("machine", PASSWORD, UserRole.READONLY, "", "", by=house.boss)
    with pytest.raises(ValidationFailed) as refused:
        await house.create("sa_x", "short", UserRole.ADMIN, "\n", "", by=house.boss)
    assert [each.field for each in refused.value.details] == ["username", "password", "full_name"]


@pytest.mark.parametrize("change", [UserChange(role=UserRole.READONLY), UserChange(status=UserStatus.DISABLED)])
async def test_the_last_administrator_stays_one(house: House, change: UserChange) -> None:
    with pytest.raises(Conflict):
        await house.update(house.anna.id, change, by=house.boss)
    with pytest.raises(Conflict):
        await house.delete(house.anna.id, by=house.boss)
    house.users.users.append(person("olga"))
    await house.update(house.anna.id, change, by=house.boss)
    await house.delete(house.ivan.id, by=house.boss)


def test_only_failures_lock() -> None:
    after = changed(person("anna"), UserChange(full_name="A"), others=0, granter=frozenset())
    assert after.full_name == "A"


async def test_a_status_of_locked_cannot_be_set(house: House) -> None:
    with pytest.raises(ValidationFailed):
        await house.update(house.ivan.id, UserChange(status=UserStatus.LOCKED), by=house.boss)


async def test_a_disabled_administrator_changes_nothing(house: House) -> None:
    house.users.users.append(person("olga"))
    olga = house.identity(house.users.users[-1])
    await house.update(house.users.users[-1].id, UserChange(status=UserStatus.DISABLED), by=house.boss)
    with pytest.raises(Unauthorized):
        await house.delete(house.ivan.id, by=olga)


async def test_everybody_may_ask_who_he_is(house: House) -> None:
    who = await house.get_self(house.identity(house.ivan))
    assert who.user is not None
    assert (who.subject, who.scopes, who.user.role) == ("ivan", SCOPES_OF[UserRole.READONLY], UserRole.READONLY)
    assert (await house.get_self(house.boss)).user is None


async def test_argon2_tells_right_from_wrong_and_bounds_its_work() -> None:
    async with Argon2Passwords() as passwords:
        kept = await passwords.hash(PASSWORD)
        assert await passwords.verify(kept, PASSWORD)
        assert not await passwords.verify(kept, "wrong")
        assert not await passwords.verify(None, PASSWORD)
        assert not await passwords.verify("no hash", PASSWORD)
        passwords.require_room()
        waiting = [asyncio.create_task(passwords.verify(None, "x")) for _ in range(WORKERS + MOST_WAITING)]
        await asyncio.sleep(0)
        with pytest.raises(RateLimited):
            passwords.require_room()
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
