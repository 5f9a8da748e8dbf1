"""Who is there after the first start, and that later starts change nothing."""

from __future__ import annotations

import argon2
import pytest

from services.admin.ports import KeysUnreadable
from services.admin.usecases.first_start import EnsureFirstAdmin, EnsureSystemAccount
from services.admin.usecases.passwords import Argon2Passwords
from services.admin.usecases.prepare import Prepare
from services.admin.usecases.rotate_system_secret import RotateSystemSecret
from services.model.errors import NotFound, ServiceUnavailable, ValidationFailed
from services.model.identity import SCOPES, UserRole
from tests.doubles.admin_stores import MemoryAccounts, MemoryUsers
from tests.doubles.clock import FakeClock
from tests.support.admin_things import NOW, account


class Shown(list[tuple[str, str]]):
    """What was shown to the operator."""

    def __call__(self, client_id: str, secret: str) -> None:
        self.append((client_id, secret))


def ensure(accounts: MemoryAccounts, shown: Shown) -> EnsureSystemAccount:
    return EnsureSystemAccount(accounts=accounts, clock=FakeClock(NOW), show=shown)


async def test_the_system_account_has_every_scope_and_never_expires() -> None:
    accounts, shown = MemoryAccounts(), Shown()
    await ensure(accounts, shown)("sa_system", "given")
    made = await accounts.system()
    assert made is not None
    assert (made.client_id, made.scopes, made.secret_expires_at) == ("sa_system", SCOPES, None)
    assert made.accepts("given", NOW)
    assert shown == []
    assert "given" not in repr(made)


async def test_a_secret_that_was_made_up_is_shown_once() -> None:
    accounts, shown = MemoryAccounts(), Shown()
    await ensure(accounts, shown)(None, None)
    await ensure(accounts, shown)(None, None)
    ((client_id, secret),) = shown
    made = await accounts.find(client_id)
    assert made is not None
    assert made.accepts(secret, NOW)
    assert len(secret) >= 43  # 256 bits in base64url


async def test_a_later_start_does_not_bring_an_old_secret_back() -> None:
    accounts, shown = MemoryAccounts(), Shown()
    await ensure(accounts, shown)("sa_system", "first")
    client_id, second = await RotateSystemSecret(accounts=accounts)()
    await ensure(accounts, shown)("sa_system", "first")
    await ensure(accounts, shown)("sa_renamed", "third")
    made = await accounts.system()
    assert made is not None
    assert client_id == made.client_id == "sa_system"
    assert made.accepts(second, NOW)
    assert not made.accepts("first", NOW)


async def test_there_is_nothing_to_rotate_before_the_first_start() -> None:
    with pytest.raises(NotFound):
        await RotateSystemSecret(accounts=MemoryAccounts(account()))()


async def test_the_first_administrator_gets_an_argon2id_hash_and_is_made_once() -> None:
    users = MemoryUsers()
    async with Argon2Passwords() as passwords:
        first = EnsureFirstAdmin(users=users, accounts=MemoryAccounts(), passwords=passwords, clock=FakeClock(NOW))
        await first("root", "correct horse battery")
        await first("root", "another password")
    (user,) = users.users
    assert (user.username, user.role, user.created_at) == ("root", UserRole.ADMIN, NOW)
    assert user.password_hash.startswith("$argon2id$")
    assert argon2.PasswordHasher().verify(user.password_hash, "correct horse battery")
    assert "argon2" not in repr(user)


async def test_a_short_password_is_refused_before_it_is_hashed() -> None:
    users = MemoryUsers()
    async with Argon2Passwords() as passwords:
        first = EnsureFirstAdmin(users=users, accounts=MemoryAccounts(), passwords=passwords, clock=FakeClock(NOW))
        with pytest.raises(ValidationFailed, match="12 to 256"):
            await first("root", "eleven char")
        await first(None, None)
        await first("root", None)
    assert users.users == []


async def test_preparing_waits_for_the_store_and_then_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.admin.usecases.prepare.RETRY", 0)
    taken: list[str] = []

    async def first() -> None:
        taken.append("first")

    async def second() -> None:
        taken.append("second")
        if len(taken) < 6:
            raise ServiceUnavailable("away")

    prepare = Prepare(first, second)
    with pytest.raises(ServiceUnavailable):
        await prepare.check()
    await prepare()
    await prepare.check()
    assert taken == ["first", "second"] * 3


@pytest.mark.parametrize("error", [KeysUnreadable("another key"), ValidationFailed("too short")])
async def test_what_never_will_succeed_ends_the_start_with_the_reason(error: Exception) -> None:
    async def step() -> None:
        raise error

    with pytest.raises(SystemExit, match=f"Cannot start: {error}"):
        await Prepare(step)()
