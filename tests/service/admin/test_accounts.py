"""Service accounts of a running Admin, from their making to their end."""

from __future__ import annotations

from datetime import timedelta

import pytest
from artstore.admin.v1 import accounts_pb2, auth_pb2, elements_pb2, keys_pb2, registry_pb2, users_pb2
from artstore.auth.v1 import requires_pb2
from google.protobuf.message_factory import GetMessageClass

from clients import metadata
from clients.accounts import AccountsClient
from clients.admin import IssuedToken, OAuthRefusal
from services.chassis.caller import Identity
from services.chassis.faults import translated
from services.model.errors import Conflict, Forbidden, NotFound, ServiceUnavailable, Unauthorized
from services.model.identity import AccountChange, AccountSecret, AccountStatus
from services.model.ids import Subject
from services.model.paging import PageRequest
from tests.service.admin.ground import CLIENT_ID, Admin


@pytest.fixture
def client(admin: Admin) -> AccountsClient:
    return AccountsClient(admin.channel("gateway"))


@pytest.fixture
async def boss(admin: Admin) -> Identity:
    return await admin.user()


async def ask(admin: Admin, made: AccountSecret, secret: str | None = None) -> IssuedToken | OAuthRefusal:
    form = {"client_id": made.account.client_id, "client_secret": secret or made.client_secret}
    return await admin.as_("gateway").issue_token({"grant_type": "client_credentials", **form})


async def user(admin: Admin, made: AccountSecret) -> Identity:
    issued = await ask(admin, made)
    assert isinstance(issued, IssuedToken), issued
    return Identity(Subject(made.account.client_id), frozenset(issued.scope.split()), issued.access_token)


async def test_an_account_lives_as_it_is_told(admin: Admin, client: AccountsClient, boss: Identity) -> None:
    made = await client.create_account("scanner", ["files:read"], description="reads", on_behalf_of=boss)
    assert (await user(admin, made)).scopes == {"files:read"}
    seen = await client.get_account(made.account.id, on_behalf_of=boss)
    assert seen.last_used_at is not None
    assert (seen.name, seen.description, seen.is_system) == ("scanner", "reads", False)
    change = AccountChange(scopes=("files:read", "files:write"), description="")
    await client.update_account(made.account.id, change, on_behalf_of=boss)
    assert (await user(admin, made)).scopes == {"files:read", "files:write"}
    await client.update_account(made.account.id, AccountChange(status=AccountStatus.DISABLED), on_behalf_of=boss)
    assert isinstance(await ask(admin, made), OAuthRefusal)
    listed = await client.list_accounts(PageRequest(), status=AccountStatus.DISABLED, on_behalf_of=boss)
    assert made.account.id in [each.id for each in listed.items]
    await client.delete_account(made.account.id, on_behalf_of=boss)
    with pytest.raises(NotFound):
        await client.delete_account(made.account.id, on_behalf_of=boss)


async def test_a_rotated_secret_has_its_overlap(admin: Admin, client: AccountsClient, boss: Identity) -> None:
    first = await client.create_account("rotated", ["files:read"], on_behalf_of=boss)
    second = await client.rotate_account_secret(first.account.id, on_behalf_of=boss)
    assert second.account.previous_secret_valid_until is not None
    for secret in (first.client_secret, second.client_secret):
        assert isinstance(await ask(admin, first, secret), IssuedToken)
    third = await client.rotate_account_secret(first.account.id, overlap=timedelta(0), on_behalf_of=boss)
    for secret in (first.client_secret, second.client_secret):
        assert isinstance(await ask(admin, first, secret), OAuthRefusal)
    assert isinstance(await ask(admin, third), IssuedToken)


async def test_the_system_account_stays(admin: Admin, client: AccountsClient, boss: Identity) -> None:
    listed = await client.list_accounts(PageRequest(limit=1000), on_behalf_of=boss)
    system = next(each for each in listed.items if each.is_system)
    assert system.client_id == CLIENT_ID
    with pytest.raises(Conflict):
        await client.delete_account(system.id, on_behalf_of=boss)
    with pytest.raises(Conflict):
        await client.update_account(system.id, AccountChange(status=AccountStatus.DISABLED), on_behalf_of=boss)
    with pytest.raises(Conflict):
        await client.update_account(system.id, AccountChange(scopes=("admin:read",)), on_behalf_of=boss)
    assert await admin.token()


async def test_a_lesser_administrator_grants_no_more_than_he_has(
    admin: Admin, client: AccountsClient, boss: Identity
) -> None:
    lesser = await user(admin, await client.create_account("lesser", ["admin:read", "admin:write"], on_behalf_of=boss))
    with pytest.raises(Forbidden):
        await client.create_account("more", ["files:read"], on_behalf_of=lesser)
    listed = await client.list_accounts(PageRequest(limit=1000), on_behalf_of=lesser)
    system = next(each for each in listed.items if each.is_system)
    with pytest.raises(Forbidden):
        await client.rotate_account_secret(system.id, on_behalf_of=lesser)


FILES = (accounts_pb2, auth_pb2, elements_pb2, keys_pb2, registry_pb2, users_pb2)
ONLY_LOOK = {"artstore.admin.v1.PlacementService/SelectElement", "artstore.admin.v1.RegistryWriteService/LocateFile"}
"""They want a writing scope for what will follow elsewhere, and change nothing at Admin."""


def changing() -> list[str]:
    """Every RPC of Admin's that wants a writing scope, "package.Service/Method"."""
    return [
        f"{service.full_name}/{method.name}"
        for file in FILES
        for service in file.DESCRIPTOR.services_by_name.values()
        for method in service.methods
        if any(scope.endswith(":write") for scope in method.GetOptions().Extensions[requires_pb2.requires].scopes)
        and f"{service.full_name}/{method.name}" not in ONLY_LOOK
    ]


def test_there_are_changing_calls() -> None:
    assert len(changing()) >= 5


@pytest.mark.parametrize("method", changing())
async def test_a_token_of_a_disabled_account_changes_nothing(
    admin: Admin, client: AccountsClient, boss: Identity, method: str
) -> None:
    made = await client.create_account("disabled", sorted(boss_scopes()), on_behalf_of=boss)
    disabled = await user(admin, made)
    await client.update_account(made.account.id, AccountChange(status=AccountStatus.DISABLED), on_behalf_of=boss)
    service, _, name = method.partition("/")
    found = next(
        each
        for file in FILES
        for each in [file.DESCRIPTOR.services_by_name.get(service.rpartition(".")[2])]
        if each is not None and each.full_name == service
    ).methods_by_name[name]
    module = requires_of(found).callers[0]
    module = "gateway" if "gateway" in requires_of(found).callers else module
    call = admin.channel(module).unary_unary(
        f"/{method}", request_serializer=bytes, response_deserializer=GetMessageClass(found.output_type).FromString
    )
    with pytest.raises(Unauthorized), translated(ServiceUnavailable):
        await call(valid_request(method), metadata=metadata.bearer(disabled), timeout=5)


def requires_of(method: object) -> requires_pb2.Requirement:
    options = method.GetOptions()  # type: ignore[attr-defined]  # a descriptor
    found: requires_pb2.Requirement = options.Extensions[requires_pb2.requires]
    return found


def boss_scopes() -> set[str]:
    return {"files:read", "files:write", "storage:read", "storage:write", "admin:read", "admin:write"}


def valid_request(method: str) -> bytes:
    """A request whose fields can be understood, so that it is refused for who makes it, not for what it says."""
    name = method.rpartition("/")[2]
    if name == "CreateUser":
        return users_pb2.CreateUserRequest(role=users_pb2.USER_ROLE_READONLY).SerializeToString()
    with_id = ("Account", "AccountSecret", "User", "ResetPassword", "ResetTotp")
    text = b"0198c0de-0000-7000-8000-000000000000"
    return bytes([0x0A, len(text)]) + text if name.endswith(with_id) and name != "CreateAccount" else b""
