"""A second factor: set up, asked for, used once, lost, taken away."""

from __future__ import annotations

import asyncio
import base64
import logging
from datetime import UTC, datetime
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP

from services.admin.usecases.second_factor import (
    ConfirmTotp,
    DisableTotp,
    EnrolTotp,
    Person,
    ReplaceRecoveryCodes,
    ResetTotp,
    matching_step,
)
from services.admin.usecases.standing import Standing
from services.chassis.caller import Identity
from services.model.errors import (
    AccountLocked,
    Conflict,
    Forbidden,
    NotFound,
    Unauthorized,
    ValidationFailed,
)
from services.model.ids import Subject
from tests.support.people import LOCK, PASSWORD, House


class Factors(House):
    """People, and what can be done with their second factors."""

    def __init__(self) -> None:
        super().__init__()
        person = Person(users=self.users, accounts=self.accounts)
        standing = Standing(accounts=self.accounts, users=self.users)
        self.enrol = EnrolTotp(
            person=person,
            check=self.check,
            factors=self.factors,
            clock=self.clock,
            issuer="https://archive.example:8443",
        )
        self.confirm = ConfirmTotp(person=person, factors=self.factors, clock=self.clock)
        self.new_codes = ReplaceRecoveryCodes(person=person, check=self.check, factors=self.factors)
        self.disable = DisableTotp(person=person, check=self.check, factors=self.factors)
        self.reset_totp = ResetTotp(users=self.users, factors=self.factors, standing=standing, clock=self.clock)

    def code(self, secret: str, *, steps: int = 0) -> str:
        """What the device shows, `steps` from now."""
        totp = TOTP(base64.b32decode(secret), 6, SHA1(), 30)  # noqa: S303 - as devices have it
        return totp.generate(int(self.clock.now().timestamp()) + 30 * steps).decode()

    async def enabled(self, name: str = "anna") -> tuple[str, list[str]]:
        """Secret and recovery codes; a moment later, so that the next code is a new one."""
        user = await self.users.find(name)
        assert user is not None
        secret = (await self.enrol(PASSWORD, by=self.identity(user))).secret
        codes = await self.confirm(self.code(secret), by=self.identity(user))
        self.clock.advance(30)
        return secret, codes


@pytest.fixture
async def house() -> Factors:
    made = Factors()
    await made.ring.ensure()
    return made


@pytest.mark.parametrize(("seconds", "code"), [(59, "287082"), (1111111109, "081804"), (20000000000, "353130")])
def test_codes_are_those_of_the_rfc(seconds: int, code: str) -> None:
    """RFC 6238 appendix B, the last six digits."""
    now = datetime.fromtimestamp(seconds, UTC)
    assert matching_step(b"12345678901234567890", code, now) == seconds // 30


async def test_the_device_is_told_who_and_where(house: Factors) -> None:
    made = await house.enrol(PASSWORD, by=house.identity(house.anna))
    parts = urlsplit(made.uri)
    assert (parts.scheme, parts.netloc) == ("otpauth", "totp")
    assert unquote(parts.path) == "/ArtStore (archive.example:8443):anna"
    assert parse_qs(parts.query)["secret"] == [made.secret]
    assert len(base64.b32decode(made.secret)) == 20
    assert made.secret not in repr(made)


async def test_what_is_not_confirmed_locks_nobody_out(house: Factors) -> None:
    made = await house.enrol(PASSWORD, by=house.identity(house.anna))
    with pytest.raises(ValidationFailed):
        await house.confirm("000000", by=house.identity(house.anna))
    await house.login("anna", PASSWORD)
    again = await house.enrol(PASSWORD, by=house.identity(house.anna))
    assert again.secret != made.secret
    with pytest.raises(ValidationFailed):
        await house.confirm(house.code(made.secret), by=house.identity(house.anna))


async def test_once_confirmed_a_password_alone_is_not_enough(house: Factors) -> None:
    session = await house.login("anna", PASSWORD)
    secret, codes = await house.enabled()
    assert len(set(codes)) == 10
    with pytest.raises(Unauthorized):
        await house.refresh(session.refresh_token)  # begun without it
    with pytest.raises(Unauthorized) as needed:
        await house.login("anna", PASSWORD)
    assert [problem.field for problem in needed.value.details] == ["totp"]
    await house.login("anna", PASSWORD, house.code(secret))


async def test_a_code_counts_once(house: Factors) -> None:
    secret, _ = await house.enabled()
    code = house.code(secret)
    await house.login("anna", PASSWORD, code)
    for _ in range(2):
        with pytest.raises(Unauthorized):
            await house.login("anna", PASSWORD, code)
    with pytest.raises(Unauthorized):
        await house.login("anna", PASSWORD, house.code(secret, steps=-1))  # older than one that was used
    house.clock.advance(30)
    await house.login("anna", PASSWORD, house.code(secret))


async def test_the_code_of_the_confirmation_is_used_up_too(house: Factors) -> None:
    secret, _ = await house.enabled()
    with pytest.raises(Unauthorized):
        await house.login("anna", PASSWORD, house.code(secret, steps=-1))


async def test_of_many_with_the_same_code_at_once_one_is_let_in(house: Factors) -> None:
    secret, _ = await house.enabled()
    code = house.code(secret)
    ended = await asyncio.gather(*(house.login("anna", PASSWORD, code) for _ in range(5)), return_exceptions=True)
    assert sum(not isinstance(each, Exception) for each in ended) == 1


@pytest.mark.parametrize(("steps", "right"), [(-2, False), (1, True), (2, False)])
async def test_the_clock_of_a_device_may_be_wrong_by_a_step(house: Factors, steps: int, right: bool) -> None:
    secret, _ = await house.enabled()
    house.clock.advance(300)
    if right:
        await house.login("anna", PASSWORD, house.code(secret, steps=steps))
    else:
        with pytest.raises(Unauthorized):
            await house.login("anna", PASSWORD, house.code(secret, steps=steps))


async def test_codes_may_be_typed_in_groups(house: Factors) -> None:
    secret, codes = await house.enabled()
    code = house.code(secret)
    await house.login("anna", PASSWORD, f" {code[:3]} {code[3:]} ")
    await house.login("anna", PASSWORD, codes[0].upper().replace("-", " "))


async def test_a_recovery_code_stands_for_the_device_once(house: Factors) -> None:
    _, codes = await house.enabled()
    for code in codes[:3]:
        await house.login("anna", PASSWORD, code)
        with pytest.raises(Unauthorized):
            await house.login("anna", PASSWORD, code)
    with pytest.raises(Unauthorized):
        await house.login("ivan", "wrong", codes[4])


async def test_new_recovery_codes_end_the_old_ones(house: Factors) -> None:
    secret, old = await house.enabled()
    new = await house.new_codes(PASSWORD, house.code(secret), by=house.identity(house.anna))
    with pytest.raises(Unauthorized):
        await house.login("anna", PASSWORD, old[0])
    await house.login("anna", PASSWORD, new[0])


@pytest.mark.parametrize("code", ["000000", "", "12345", "x", "aaaa-bbbb-cccc-dddd", "٣٣٣٣٣٣", "\0", "9" * 1000])
async def test_guessing_codes_locks_the_name(house: Factors, code: str) -> None:
    secret, _ = await house.enabled()
    for _ in range(5):
        with pytest.raises(Unauthorized):
            await house.login("anna", PASSWORD, code)
    with pytest.raises(AccountLocked):
        await house.login("anna", PASSWORD, house.code(secret))
    house.clock.advance(LOCK)
    await house.login("anna", PASSWORD, house.code(secret))


async def test_a_known_password_makes_no_room_for_more_guesses(house: Factors) -> None:
    await house.enabled()
    for _ in range(4):
        with pytest.raises(Unauthorized):
            await house.login("anna", PASSWORD, "000000")
    await house.change_password(PASSWORD, "a much better one", by=house.identity(house.anna))
    with pytest.raises(AccountLocked):
        await house.login("anna", "a much better one", "000000")


async def test_with_a_wrong_password_no_code_is_looked_at(house: Factors) -> None:
    secret, _ = await house.enabled()
    code = house.code(secret)
    with pytest.raises(Unauthorized) as refused:
        await house.login("anna", "wrong password", code)
    assert refused.value.details == ()  # nor told whether one is needed
    await house.login("anna", PASSWORD, code)  # nor used up


async def test_disabling_takes_both_factors(house: Factors) -> None:
    secret, _ = await house.enabled()
    me = house.identity(house.anna)
    for password, code in ((PASSWORD, "000000"), (PASSWORD, ""), ("wrong password", house.code(secret))):
        with pytest.raises(Unauthorized):
            await house.disable(password, code, by=me)
    await house.disable(PASSWORD, house.code(secret), by=me)
    await house.login("anna", PASSWORD)
    with pytest.raises(Conflict):
        await house.disable(PASSWORD, "000000", by=me)


async def test_enrolling_takes_the_password_and_never_replaces_one_that_counts(house: Factors) -> None:
    me = house.identity(house.anna)
    with pytest.raises(Unauthorized):
        await house.enrol("wrong password", by=me)
    with pytest.raises(ValidationFailed):
        await house.enrol("", by=me)
    await house.enabled()
    with pytest.raises(Conflict):
        await house.enrol(PASSWORD, by=me)
    with pytest.raises(Conflict):
        await house.new_codes(PASSWORD, "", by=house.identity(house.ivan))


async def test_only_people_have_one(house: Factors) -> None:
    for other in (house.boss, Identity(Subject("kc:maria"), frozenset(), "token")):
        for asked in (
            house.enrol(PASSWORD, by=other),
            house.confirm("000000", by=other),
            house.new_codes(PASSWORD, "000000", by=other),
            house.disable(PASSWORD, "000000", by=other),
        ):
            with pytest.raises(Forbidden):
                await asked


async def test_the_last_administrator_who_lost_his_device_is_let_in_again_by_the_system_account(house: Factors) -> None:
    house.users.users = [house.anna]
    await house.enabled()
    with pytest.raises(Unauthorized):
        await house.login("anna", PASSWORD)
    shown = await house.reset_totp(house.anna.id, by=house.boss)
    assert not shown.totp_enabled
    await house.login("anna", PASSWORD)


async def test_nobody_resets_somebody_who_can_do_more(house: Factors) -> None:
    await house.enabled()
    with pytest.raises(Forbidden):
        await house.reset_totp(house.anna.id, by=house.less)
    with pytest.raises(Unauthorized):
        await house.reset_totp(house.anna.id, by=house.identity(house.ivan))
    with pytest.raises(NotFound):
        await house.reset_totp("0198c0de-0000-7000-8000-000000000099", by=house.boss)


async def test_another_password_does_not_take_it_away(house: Factors) -> None:
    secret, _ = await house.enabled()
    await house.reset(house.anna.id, "a much better one", by=house.boss)
    with pytest.raises(Unauthorized):
        await house.login("anna", "a much better one")
    await house.login("anna", "a much better one", house.code(secret))


async def test_no_secret_and_no_code_is_logged(house: Factors, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        secret, codes = await house.enabled()
        code = house.code(secret)
        await house.login("anna", PASSWORD, code)
        await house.login("anna", PASSWORD, codes[0])
        with pytest.raises(Unauthorized):
            await house.login("anna", PASSWORD, codes[0])
    for hidden in (secret, code, *codes):
        assert hidden not in caplog.text


async def test_fifty_wrong_logins_at_once_are_looked_at_no_more_often_than_the_limit(house: Factors) -> None:
    ended = await asyncio.gather(*(house.login("anna", "wrong password") for _ in range(50)), return_exceptions=True)
    assert [type(each) for each in ended].count(Unauthorized) == 5
    assert [type(each) for each in ended].count(AccountLocked) == 45
    assert len(house.passwords.looked) == 5
