"""Service accounts: who may change what of them, and which secret counts when."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from services.admin.domain.accounts import hash_secret
from services.admin.domain.granting import changed, check_name, check_scopes, rotated
from services.admin.usecases.change_account import DeleteAccount, RotateAccountSecret, UpdateAccount
from services.admin.usecases.create_account import CreateAccount
from services.admin.usecases.list_accounts import GetAccount, ListAccounts
from services.admin.usecases.standing import Standing
from services.chassis.caller import Identity
from services.model.errors import Conflict, Forbidden, Unauthorized, ValidationFailed
from services.model.identity import SCOPES, AccountChange, AccountStatus
from services.model.ids import Subject
from services.model.paging import PageRequest
from tests.doubles.admin_stores import MemoryAccounts, MemoryUsers
from tests.doubles.clock import FakeClock
from tests.support.admin_things import NOW, SECRET, account

ALL = frozenset(SCOPES)
DAY = timedelta(days=1)


class Office:
    """Every use case around one store, and an administrator who uses them."""

    def __init__(self, *scopes: str) -> None:
        self.clock = FakeClock(NOW)
        self.boss = account(client_id="sa_boss", name="boss", scopes=scopes or SCOPES)
        self.store = MemoryAccounts(self.boss)
        standing = Standing(accounts=self.store, users=MemoryUsers())
        self.by = Identity(Subject("sa_boss"), frozenset(SCOPES), "token")
        self.create = CreateAccount(accounts=self.store, standing=standing, clock=self.clock, lifetime=90 * DAY)
        self.update = UpdateAccount(accounts=self.store, standing=standing)
        self.delete = DeleteAccount(accounts=self.store, standing=standing)
        self.rotate = RotateAccountSecret(
            accounts=self.store, standing=standing, clock=self.clock, lifetime=90 * DAY, overlap=DAY
        )


async def test_a_new_account_has_a_telling_client_id_and_a_secret_of_which_only_a_hash_is_kept() -> None:
    office = Office()
    made = await office.create("scanner", ["files:write", "files:read"], "", None, by=office.by)
    kept = office.store.accounts[made.account.client_id]
    assert made.account.client_id.startswith("sa_scanner_")
    assert made.account.scopes == ("files:read", "files:write")
    assert made.account.secret_expires_at == NOW + 90 * DAY
    assert len(made.client_secret) >= 43  # 256 bits in base64url
    assert kept.secret_sha256 == hash_secret(made.client_secret)
    assert made.client_secret not in repr(made)


@pytest.mark.parametrize(("asked", "ends"), [(timedelta(0), None), (7 * DAY, NOW + 7 * DAY)])
async def test_the_life_of_a_secret_may_be_asked_for(asked: timedelta, ends: object) -> None:
    office = Office()
    made = await office.create("x", ["files:read"], "", asked, by=office.by)
    assert made.account.secret_expires_at == ends


@pytest.mark.parametrize("name", ["", "A", "имя", "a b", "-a", "a-", "a" * 65, "a\n", "a:b"])
def test_a_name_that_cannot_be_a_part_of_a_client_id_is_refused(name: str) -> None:
    assert [problem.field for problem in check_name(name)] == ["name"]


@pytest.mark.parametrize("name", ["a", "a1", "scan-ner_2", "a" * 64])
def test_other_names_are_taken(name: str) -> None:
    assert check_name(name) == []


@pytest.mark.parametrize("scopes", [[], ["files:burn"], ["files:read", ""], ["FILES:READ"]])
def test_scopes_that_do_not_exist_are_refused(scopes: list[str]) -> None:
    assert [problem.field for problem in check_scopes(scopes)] == ["scopes"]


async def test_all_that_is_wrong_is_told_at_once() -> None:
    office = Office()
    with pytest.raises(ValidationFailed) as refused:
        await office.create("Ä", ["nope"], "d" * 501, timedelta(days=4000), by=office.by)
    fields = [problem.field for problem in refused.value.details]
    assert fields == ["name", "scopes", "description", "secret_ttl_days"]


async def test_nobody_gives_out_what_he_lacks() -> None:
    office = Office("admin:read", "admin:write", "files:read")
    await office.create("same", ["files:read", "admin:write"], "", None, by=office.by)
    with pytest.raises(Forbidden, match="storage:write"):
        await office.create("more", ["files:read", "storage:write"], "", None, by=office.by)
    other = account(client_id="sa_other", name="other", scopes=("files:read",))
    await office.store.add(other)
    with pytest.raises(Forbidden, match="files:write"):
        await office.update(other.id, AccountChange(scopes=("files:write",)), by=office.by)


async def test_nobody_takes_over_an_account_that_can_do_more() -> None:
    office = Office("admin:read", "admin:write")
    other = account(client_id="sa_other", name="other")
    await office.store.add(other)
    with pytest.raises(Forbidden):
        await office.rotate(other.id, None, None, by=office.by)
    await office.update(other.id, AccountChange(status=AccountStatus.DISABLED), by=office.by)
    with pytest.raises(Forbidden):
        await office.update(other.id, AccountChange(status=AccountStatus.ACTIVE), by=office.by)


async def test_a_token_of_an_account_that_lost_its_rights_changes_nothing() -> None:
    office = Office()
    await office.update(office.boss.id, AccountChange(scopes=("admin:read",)), by=office.by)
    with pytest.raises(Unauthorized):
        await office.create("x", ["files:read"], "", None, by=office.by)
    office.store.accounts["sa_boss"] = replace(office.boss, status=AccountStatus.DISABLED)
    for refused in (
        office.update(office.boss.id, AccountChange(), by=office.by),
        office.delete(office.boss.id, by=office.by),
        office.rotate(office.boss.id, None, None, by=office.by),
    ):
        with pytest.raises(Unauthorized):
            await refused
    office.store.accounts.clear()
    with pytest.raises(Unauthorized):
        await office.create("x", ["files:read"], "", None, by=office.by)


async def test_a_token_with_fewer_scopes_than_its_account_grants_only_those() -> None:
    office = Office()
    narrow = Identity(office.by.subject, frozenset({"admin:write", "files:read"}), "token")
    with pytest.raises(Forbidden):
        await office.create("x", ["files:write"], "", None, by=narrow)


def test_the_system_account_stays_able_to_administer() -> None:
    system = account(is_system=True)
    with pytest.raises(Conflict):
        changed(system, AccountChange(status=AccountStatus.DISABLED), granter=ALL)
    with pytest.raises(Conflict):
        changed(system, AccountChange(scopes=("admin:read", "files:read")), granter=ALL)
    assert changed(system, AccountChange(scopes=("admin:read", "admin:write")), granter=ALL).scopes == SCOPES[4:]


async def test_the_system_account_is_not_deleted_and_its_secret_never_ends() -> None:
    office = Office()
    system = account(client_id="sa_system", is_system=True)
    await office.store.add(system)
    with pytest.raises(Conflict):
        await office.delete(system.id, by=office.by)
    with pytest.raises(ValidationFailed):
        await office.rotate(system.id, DAY, None, by=office.by)
    made = await office.rotate(system.id, None, None, by=office.by)
    assert (made.account.secret_expires_at, made.account.previous_secret_valid_until) == (None, None)


async def test_both_secrets_count_until_the_overlap_ends() -> None:
    office = Office()
    other = account(client_id="sa_other")
    await office.store.add(other)
    made = await office.rotate(other.id, None, None, by=office.by)
    assert made.account.previous_secret_valid_until == NOW + DAY
    kept = office.store.accounts["sa_other"]
    assert kept.accepts(SECRET, NOW)
    assert kept.accepts(made.client_secret, NOW)
    assert not kept.accepts(SECRET, NOW + DAY)
    assert kept.accepts(made.client_secret, NOW + DAY)
    assert not kept.accepts(made.client_secret, NOW + 90 * DAY)
    assert not replace(kept, status=AccountStatus.DISABLED).accepts(SECRET, NOW)


async def test_of_three_secrets_the_first_counts_no_more() -> None:
    office = Office()
    other = account(client_id="sa_other")
    await office.store.add(other)
    second = await office.rotate(other.id, None, None, by=office.by)
    third = await office.rotate(other.id, None, None, by=office.by)
    kept = office.store.accounts["sa_other"]
    assert [kept.accepts(secret, NOW) for secret in (SECRET, second.client_secret, third.client_secret)] == [
        False,
        True,
        True,
    ]


def test_an_old_secret_does_not_outlive_its_own_end() -> None:
    ending = account(secret_expires_at=NOW + timedelta(hours=1))
    usual = {"now": NOW, "lifetime": DAY, "overlap": DAY, "granter": ALL}
    after = rotated(ending, hash_secret("new"), **usual)  # type: ignore[arg-type]  # each fits
    assert after.previous_secret_valid_until == NOW + timedelta(hours=1)
    ended = rotated(replace(ending, secret_expires_at=NOW), hash_secret("new"), **usual)  # type: ignore[arg-type]
    assert (ended.previous_secret_sha256, ended.previous_secret_valid_until) == (None, None)
    assert not ended.accepts(SECRET, NOW)


async def test_pages_go_on_where_they_ended() -> None:
    store = MemoryAccounts(*(account(client_id=f"sa_{n}", name=f"n{n % 3}") for n in range(7)))
    listing, seen, cursor = ListAccounts(accounts=store), [], ""
    while True:
        page = await listing(PageRequest(limit=2, cursor=cursor))
        seen += [each.client_id for each in page.items]
        cursor = page.next_cursor
        if not page.has_more:
            break
    assert sorted(seen) == sorted(store.accounts)
    assert (page.total, cursor) == (7, "")
    assert (await GetAccount(accounts=store)(page.items[0].id)).client_id == seen[-1]
    with pytest.raises(ValidationFailed):
        await listing(PageRequest(cursor="WyJhIl0"))
