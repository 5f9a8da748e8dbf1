"""What every store of accounts, users and keys promises."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import replace
from datetime import timedelta

import pytest

from services.admin.domain.accounts import ServiceAccount, hash_secret
from services.admin.domain.keys import SigningKey
from services.admin.domain.places import Place
from services.admin.domain.users import AdminUser
from services.admin.ports import AccountStore, KeyStore, UserStore
from services.model.errors import Conflict, NotFound
from services.model.identity import AccountStatus, KeyState, UserRole
from tests.support.admin_things import NOW, account


def user(username: str = "root") -> AdminUser:
    return AdminUser(str(uuid.uuid4()), username, "$argon2id$…", UserRole.ADMIN, NOW)


def key(kid: str = "one") -> SigningKey:
    return SigningKey(kid, KeyState.ACTIVE, {"kty": "RSA", "kid": kid, "n": "AQAB"}, NOW, b"private", NOW)


async def test_an_account_is_found_by_its_exact_client_id(accounts: AccountStore) -> None:
    system = account(client_id="sa_system", is_system=True, secret_expires_at=NOW + timedelta(days=1))
    await accounts.add_system(system)
    assert await accounts.find("sa_system") == system
    assert await accounts.find("SA_SYSTEM") is None
    assert await accounts.find("sa_system ") is None


async def test_there_is_no_account_before_one_is_added(accounts: AccountStore) -> None:
    assert await accounts.find("sa_system") is None
    assert await accounts.system() is None


async def test_of_many_that_add_the_system_account_at_once_one_wins(accounts: AccountStore) -> None:
    rivals = [account(client_id=f"sa_system_{number}", is_system=True) for number in range(8)]
    won = await asyncio.gather(*(accounts.add_system(rival) for rival in rivals))
    assert sum(won) == 1
    assert await accounts.system() == rivals[won.index(True)]


async def test_a_second_system_account_with_the_same_client_id_is_not_kept(accounts: AccountStore) -> None:
    first = account(is_system=True)
    assert await accounts.add_system(first)
    assert not await accounts.add_system(account(is_system=True, secret_sha256=hash_secret("another")))
    assert await accounts.system() == first


async def test_a_changed_secret_replaces_the_old_one(accounts: AccountStore) -> None:
    system = account(is_system=True)
    await accounts.add_system(system)
    await accounts.change_secret(system.id, hash_secret("new"), NOW)
    assert await accounts.system() == replace(system, secret_sha256=hash_secret("new"), secret_expires_at=NOW)


async def test_the_secret_of_an_unknown_account_cannot_be_changed(accounts: AccountStore) -> None:
    with pytest.raises(NotFound):
        await accounts.change_secret(str(uuid.uuid4()), hash_secret("new"), None)


async def test_only_the_first_user_is_added_as_the_first(users: UserStore) -> None:
    assert not await users.any()
    assert await users.add_first(user())
    assert await users.any()
    assert not await users.add_first(user("another"))


async def test_of_many_that_add_the_first_user_at_once_one_wins(users: UserStore) -> None:
    assert sum(await asyncio.gather(*(users.add_first(user()) for _ in range(8)))) == 1


async def test_a_key_comes_back_as_it_was_kept(keys: KeyStore) -> None:
    assert await keys.published() == []
    assert await keys.add_first(key())
    assert await keys.published() == [key()]


async def test_of_many_that_add_the_first_key_at_once_one_wins(keys: KeyStore) -> None:
    won = await asyncio.gather(*(keys.add_first(key(f"key-{number}")) for number in range(8)))
    assert sum(won) == 1
    assert await keys.published() == [key(f"key-{won.index(True)}")]


async def test_a_changed_secret_ends_the_one_before_it_as_well(accounts: AccountStore) -> None:
    await accounts.add(account(previous_secret_sha256=hash_secret("old"), previous_secret_valid_until=NOW))
    kept = await accounts.find("sa_scanner_x1")
    assert kept is not None
    assert (kept.previous_secret_sha256, kept.previous_secret_valid_until) == (hash_secret("old"), NOW)
    await accounts.change_secret(kept.id, hash_secret("new"), None)
    kept = await accounts.get(kept.id)
    assert kept is not None
    assert (kept.previous_secret_sha256, kept.previous_secret_valid_until) == (None, None)


async def test_an_account_comes_back_as_it_was_added(accounts: AccountStore) -> None:
    made = account(description="reads «everything»", scopes=("files:read",), last_used_at=NOW)
    await accounts.add(made)
    assert await accounts.get(made.id) == made
    assert await accounts.get(str(uuid.uuid4())) is None
    with pytest.raises(Conflict):
        await accounts.add(account())


async def test_accounts_are_listed_by_name_and_id_from_any_place(accounts: AccountStore) -> None:
    names = ["b", "a", "Z", "a_", "a-", "ab", "a"]
    for number, name in enumerate(names):
        await accounts.add(account(name=name, client_id=f"sa_{number}", status=[*AccountStatus][number % 2]))
    listed, total = await accounts.page(limit=100)
    assert total == len(names)
    assert [each.name for each in listed] == sorted(names)
    for skip, before in enumerate(listed):
        rest, _ = await accounts.page(limit=2, after=Place(before.name, before.id))
        assert list(rest) == list(listed[skip + 1 : skip + 3])
    assert (await accounts.page(limit=3, offset=5))[0] == listed[5:]
    active, count = await accounts.page(limit=100, status=AccountStatus.ACTIVE)
    assert (len(active), count) == (4, 4)


async def test_a_change_is_kept_unless_it_raises(accounts: AccountStore) -> None:
    made = account()
    await accounts.add(made)
    after = await accounts.change(made.id, lambda each: replace(each, description="new", scopes=("files:read",)))
    assert after == replace(made, description="new", scopes=("files:read",)) == await accounts.get(made.id)

    def refuse(_: ServiceAccount) -> ServiceAccount:
        raise Conflict("no")

    with pytest.raises(Conflict):
        await accounts.change(made.id, refuse)
    assert await accounts.get(made.id) == after
    with pytest.raises(NotFound):
        await accounts.change(str(uuid.uuid4()), lambda each: each)


async def test_changes_at_once_come_one_after_the_other(accounts: AccountStore) -> None:
    made = account(description="")
    await accounts.add(made)
    add = [lambda each, n=n: replace(each, description=each.description + str(n)) for n in range(8)]
    await asyncio.gather(*(accounts.change(made.id, decide) for decide in add))
    after = await accounts.get(made.id)
    assert after is not None
    assert sorted(after.description) == list("01234567")


async def test_an_account_is_removed_where_nothing_is_left_of_it(accounts: AccountStore) -> None:
    made = account()
    await accounts.add(made)
    assert await accounts.change(made.id, lambda _: None) is None
    assert await accounts.find(made.client_id) is None


async def test_the_use_of_an_account_only_moves_forward(accounts: AccountStore) -> None:
    made = account()
    await accounts.add(made)
    await accounts.note_use(made.id, NOW)
    await accounts.note_use(made.id, NOW - timedelta(hours=1))
    assert await accounts.get(made.id) == replace(made, last_used_at=NOW)
    await accounts.note_use(str(uuid.uuid4()), NOW)


async def test_keys_follow_one_another(keys: KeyStore) -> None:
    await keys.add_first(key("one"))
    second = replace(key("two"), state=KeyState.NEXT, activates_at=NOW + timedelta(minutes=3))
    assert await keys.add_next(second)
    assert not await keys.add_next(replace(second, kid="three"))
    assert [each.state for each in await keys.published()] == [KeyState.ACTIVE, KeyState.NEXT]
    later = NOW + timedelta(hours=1)
    assert not await keys.activate("three", now=NOW, retires_at=later)
    assert await keys.activate("two", now=NOW, retires_at=later)
    assert not await keys.activate("two", now=NOW, retires_at=later)
    one, two = await keys.published()
    assert (one.state, one.retires_at, one.private_der) == (KeyState.RETIRING, later, None)
    assert (two.state, two.activates_at, two.private_der) == (KeyState.ACTIVE, NOW, b"private")
    assert await keys.retire(later - timedelta(seconds=1)) == 0
    assert await keys.retire(later) == 1
    assert [each.kid for each in await keys.published()] == ["two"]


async def test_of_many_that_take_a_step_at_once_one_does(keys: KeyStore) -> None:
    await keys.add_first(key("one"))
    rivals = [replace(key(f"next-{n}"), state=KeyState.NEXT) for n in range(6)]
    assert sum(await asyncio.gather(*(keys.add_next(each) for each in rivals))) == 1
    (following,) = [each for each in await keys.published() if each.state is KeyState.NEXT]
    steps = [keys.activate(following.kid, now=NOW, retires_at=NOW) for _ in range(6)]
    assert sum(await asyncio.gather(*steps)) == 1
