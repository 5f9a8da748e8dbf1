"""Tokens after they were given out: revoked (RFC 7009), asked about (RFC 7662)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from services.admin.domain.oauth import OAuthErrorCode, OAuthRefused
from services.admin.usecases.standing import Standing
from services.admin.usecases.token_state import INACTIVE, IntrospectToken, RevokeToken
from services.chassis.tokens import TokenReader
from services.model.errors import Unauthorized
from services.model.identity import UserStatus
from tests.support.people import PASSWORD, House


class Tokens(House):
    """People, and what can be done with their tokens."""

    def __init__(self) -> None:
        super().__init__()
        reader = TokenReader(self.ring, issuer="https://i", clock=self.clock)
        standing = Standing(accounts=self.accounts, users=self.users)
        self.revoke = RevokeToken(sessions=self.sessions, reader=reader)
        self.introspect = IntrospectToken(
            sessions=self.sessions, users=self.users, standing=standing, reader=reader, clock=self.clock
        )


@pytest.fixture
async def house() -> Tokens:
    made = Tokens()
    await made.ring.ensure()
    return made


async def test_a_revoked_refresh_token_has_ended_its_session(house: Tokens) -> None:
    session = await house.login("anna", PASSWORD)
    later = await house.refresh(session.refresh_token)
    await house.revoke({"token": session.refresh_token, "token_type_hint": "refresh_token"})
    with pytest.raises(Unauthorized):
        await house.refresh(later.refresh_token)


async def test_the_hint_may_be_wrong(house: Tokens) -> None:
    session = await house.login("anna", PASSWORD)
    await house.revoke({"token": session.refresh_token, "token_type_hint": "access_token"})
    assert await house.introspect(session.refresh_token) == INACTIVE


@pytest.mark.parametrize("token", ["unknown", "a.b.c", "x" * 10_000])
async def test_what_is_no_token_is_as_good_as_revoked(house: Tokens, token: str) -> None:
    await house.revoke({"token": token})


async def test_an_access_token_is_not_revoked_and_that_is_said(house: Tokens) -> None:
    session = await house.login("anna", PASSWORD)
    with pytest.raises(OAuthRefused) as refused:
        await house.revoke({"token": session.access_token})
    assert refused.value.error is OAuthErrorCode.UNSUPPORTED_TOKEN_TYPE
    house.clock.advance(timedelta(hours=1))  # it has expired: there is nothing left to revoke
    await house.revoke({"token": session.access_token})


async def test_a_revocation_of_nothing_is_refused(house: Tokens) -> None:
    with pytest.raises(OAuthRefused) as refused:
        await house.revoke({"token": ""})
    assert refused.value.error is OAuthErrorCode.INVALID_REQUEST


async def test_an_access_token_is_described_until_it_expires(house: Tokens) -> None:
    session = await house.login("anna", PASSWORD)
    state = await house.introspect(session.access_token)
    assert (state.active, state.token_type, state.subject, state.audiences) == (True, "Bearer", "anna", ("artstore",))
    assert (state.client_id, state.issuer, state.subject_active) == ("artstore-login", "https://i", True)
    assert state.scope == session.scope
    assert state.issued_at is not None
    assert state.expires_at == state.issued_at + timedelta(minutes=30)
    assert state.token_id
    house.clock.advance(timedelta(minutes=31))
    assert await house.introspect(session.access_token) == INACTIVE


async def test_the_token_of_a_disabled_user_still_counts_but_he_does_not(house: Tokens) -> None:
    session = await house.login("anna", PASSWORD)
    await house.users.change(house.anna.id, lambda user, _: replace(user, status=UserStatus.DISABLED))
    state = await house.introspect(session.access_token)
    assert (state.active, state.subject_active) == (True, False)
    assert await house.introspect(session.refresh_token) == INACTIVE


async def test_a_refresh_token_is_described_until_it_is_spent(house: Tokens) -> None:
    session = await house.login("ivan", PASSWORD)
    state = await house.introspect(session.refresh_token)
    assert (state.active, state.token_type, state.subject) == (True, "refresh_token", "ivan")
    assert state.scope == "files:read storage:read admin:read"
    assert state.expires_at == house.clock.now() + timedelta(days=7)
    later = await house.refresh(session.refresh_token)
    assert await house.introspect(session.refresh_token) == INACTIVE
    # Asking about it was no use of it.
    assert (await house.introspect(later.refresh_token)).active


@pytest.mark.parametrize("token", ["", "unknown", "a.b.c", "\0", "x" * 10_000])
async def test_of_anything_else_nothing_is_told(house: Tokens, token: str) -> None:
    assert await house.introspect(token) == INACTIVE
