"""People and their sessions at a running Admin, with real argon2 and a real database."""

from __future__ import annotations

import asyncio
import secrets

import pytest

from clients.users import SessionsClient, UsersClient
from services.chassis.caller import Identity
from services.chassis.clock import SystemClock
from services.chassis.tokens import TokenVerifier
from services.model.errors import AccountLocked, ArtStoreError, Conflict, Forbidden, Unauthorized
from services.model.identity import Session, UserChange, UserRole, UserStatus
from services.model.paging import PageRequest
from tests.service.admin.ground import ISSUER, Admin

PASSWORD = "correct horse battery"


@pytest.fixture
def people(admin: Admin) -> UsersClient:
    return UsersClient(admin.channel("gateway"))


@pytest.fixture
def door(admin: Admin) -> SessionsClient:
    return SessionsClient(admin.channel("gateway"))


@pytest.fixture
async def boss(admin: Admin) -> Identity:
    return await admin.user()


async def identity(admin: Admin, session: Session) -> Identity:
    verifier = TokenVerifier(admin.as_("query"), issuer=ISSUER, audience="artstore", clock=SystemClock())
    return await verifier.verify(session.access_token)


def new_name() -> str:
    return f"user-{secrets.token_hex(4)}"


async def test_the_first_administrator_logs_in_and_out(admin: Admin, door: SessionsClient) -> None:
    session = await door.login("ROOT", admin.admin_password)
    root = await identity(admin, session)
    who = await door.get_self(on_behalf_of=root)
    assert who.user is not None
    assert (who.subject, who.user.role, who.user.status) == ("root", UserRole.ADMIN, UserStatus.ACTIVE)
    again = await door.refresh(session.refresh_token)
    await door.logout(again.refresh_token)
    with pytest.raises(Unauthorized):
        await door.refresh(again.refresh_token)


async def test_a_refresh_token_used_twice_ends_the_session(admin: Admin, door: SessionsClient) -> None:
    first = await door.login("root", admin.admin_password)
    tried = await asyncio.gather(*(door.refresh(first.refresh_token) for _ in range(6)), return_exceptions=True)
    won = [each for each in tried if isinstance(each, Session)]
    assert len(won) == 1
    assert sum(isinstance(each, Unauthorized) for each in tried) == 5
    with pytest.raises(Unauthorized):
        await door.refresh(won[0].refresh_token)


async def test_a_name_is_locked_under_parallel_tries(
    admin: Admin, door: SessionsClient, people: UsersClient, boss: Identity
) -> None:
    made = await people.create_user(new_name(), PASSWORD, UserRole.READONLY, on_behalf_of=boss)
    tries = await asyncio.gather(
        *(door.login(made.username, "wrong password") for _ in range(50)), return_exceptions=True
    )
    kinds = [type(each) for each in tries]
    assert (kinds.count(Unauthorized), kinds.count(AccountLocked)) == (5, 45)
    with pytest.raises(AccountLocked) as refused:
        await door.login(made.username, PASSWORD)
    assert refused.value.retry_after is not None
    seen = await people.get_user(made.id, on_behalf_of=boss)
    assert seen.status is UserStatus.LOCKED
    await people.unlock_user(made.id, on_behalf_of=boss)
    assert (await door.login(made.username, PASSWORD)).scope == "files:read storage:read admin:read"


async def test_a_user_from_his_making_to_his_end(
    admin: Admin, door: SessionsClient, people: UsersClient, boss: Identity
) -> None:
    name = new_name()
    made = await people.create_user(name, PASSWORD, UserRole.ADMIN, full_name="Анна", on_behalf_of=boss)
    with pytest.raises(Conflict):
        await people.create_user(name.upper(), PASSWORD, UserRole.ADMIN, on_behalf_of=boss)
    anna = await identity(admin, await door.login(name, PASSWORD))
    await door.change_password(PASSWORD, "a much better one", on_behalf_of=anna)
    await people.reset_password(made.id, PASSWORD + "!", on_behalf_of=anna)
    session = await door.login(name, PASSWORD + "!")
    disabled = await people.update_user(made.id, UserChange(status=UserStatus.DISABLED), on_behalf_of=boss)
    assert disabled.status is UserStatus.DISABLED
    for refused in (
        door.refresh(session.refresh_token),
        door.login(name, PASSWORD + "!"),
        people.delete_user(made.id, on_behalf_of=await identity(admin, session)),
    ):
        with pytest.raises(Unauthorized):
            await refused
    listed = await people.list_users(PageRequest(limit=1000), on_behalf_of=boss)
    assert name in [each.username for each in listed.items]
    await people.delete_user(made.id, on_behalf_of=boss)
    assert name not in [each.username for each in (await people.list_users(PageRequest(), on_behalf_of=boss)).items]


async def test_the_last_administrator_stays(admin: Admin, people: UsersClient, boss: Identity) -> None:
    listed = await people.list_users(PageRequest(limit=1000), on_behalf_of=boss)
    root = next(each for each in listed.items if each.username == "root")
    for refused in (
        people.delete_user(root.id, on_behalf_of=boss),
        people.update_user(root.id, UserChange(role=UserRole.READONLY), on_behalf_of=boss),
    ):
        with pytest.raises(Conflict):
            await refused


async def test_a_reader_changes_nobody(admin: Admin, door: SessionsClient, people: UsersClient, boss: Identity) -> None:
    made = await people.create_user(new_name(), PASSWORD, UserRole.READONLY, on_behalf_of=boss)
    reader = await identity(admin, await door.login(made.username, PASSWORD))
    with pytest.raises(Forbidden):
        await people.delete_user(made.id, on_behalf_of=reader)
    assert (await people.get_user(made.id, on_behalf_of=reader)).last_login_at is not None


async def test_strangers_learn_nothing_and_secrets_are_not_logged(admin: Admin, door: SessionsClient) -> None:
    told = set()
    for name in ("root", "nobody-of-that-name"):
        with pytest.raises(ArtStoreError) as refused:
            await door.login(name, "a-wrong-password-of-somebody")
        told.add((refused.value.code, refused.value.message))
    assert len(told) == 1
    session = await door.login("root", admin.admin_password)
    for hidden in ("a-wrong-password-of-somebody", admin.admin_password, session.refresh_token, session.access_token):
        assert hidden not in admin.process.log
