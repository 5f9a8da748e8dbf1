"""A rotation at a running Admin, under load."""

from __future__ import annotations

import asyncio
import time

import pytest
from joserfc import jws

from clients.keys import SigningKeysClient
from services.chassis.clock import SystemClock
from services.chassis.tokens import JWKS_MIN_AGE, TokenVerifier
from services.model.errors import Forbidden
from services.model.identity import KeyState
from tests.service.admin.ground import ISSUER, Admin

WAIT = JWKS_MIN_AGE + 1
"""Seconds: a verifier that meets an unknown key asks again once its key set is older than `JWKS_MIN_AGE`."""


async def test_a_rotation_under_load_refuses_no_token(stopped: Admin) -> None:
    stopped.environment["AM_KEY_PUBLISH_WAIT"] = f"{WAIT}s"
    await stopped.migrate()
    await stopped.start()
    boss = await stopped.user()
    keys = SigningKeysClient(stopped.channel("gateway"))
    (before,) = await keys.list_signing_keys(on_behalf_of=boss)
    following = await keys.rotate_signing_key(on_behalf_of=boss)
    assert (before.state, following.state) == (KeyState.ACTIVE, KeyState.NEXT)
    verifier = TokenVerifier(stopped.as_("query"), issuer=ISSUER, audience="artstore", clock=SystemClock())
    old, signed_by, verified = await stopped.token(), set(), 0
    client, ends = stopped.as_("gateway"), time.monotonic() + WAIT + 20
    form = {"grant_type": "client_credentials", "client_id": "sa_system_t1", "client_secret": stopped.secret}
    while time.monotonic() < ends and (following.kid not in signed_by or verified < 100):
        for issued in await asyncio.gather(*(client.issue_token(form) for _ in range(4))):
            token = issued.access_token  # type: ignore[union-attr]  # a refusal would fail here
            signed_by.add(str(jws.extract_compact(token.encode()).protected["kid"]))
            await verifier.verify(token)
            verified += 1
        await verifier.verify(old)
        await asyncio.sleep(0.05)
    assert signed_by == {before.kid, following.kid}
    assert verified >= 100
    listed = await keys.list_signing_keys(on_behalf_of=boss)
    assert [(each.kid, each.state) for each in listed] == [
        (before.kid, KeyState.RETIRING),
        (following.kid, KeyState.ACTIVE),
    ]


async def test_a_rotation_whose_admin_is_killed_is_finished_by_the_next_one(stopped: Admin) -> None:
    stopped.environment["AM_KEY_PUBLISH_WAIT"] = "2s"
    await stopped.migrate()
    await stopped.start()
    boss = await stopped.user()
    keys = SigningKeysClient(stopped.channel("gateway"))
    (before,) = await keys.list_signing_keys(on_behalf_of=boss)
    following = await keys.rotate_signing_key(on_behalf_of=boss)
    old = await stopped.token()
    stopped.process.kill()
    await stopped.start()
    keys = SigningKeysClient(stopped.channel("gateway"))
    async with asyncio.timeout(30):
        while (listed := await keys.list_signing_keys(on_behalf_of=boss))[-1].state is KeyState.NEXT:  # noqa: ASYNC110 - Admin tells nobody
            await asyncio.sleep(0.1)
    assert [(each.kid, each.state) for each in listed] == [
        (before.kid, KeyState.RETIRING),
        (following.kid, KeyState.ACTIVE),
    ]
    verifier = TokenVerifier(stopped.as_("query"), issuer=ISSUER, audience="artstore", clock=SystemClock())
    new = await stopped.token()
    assert jws.extract_compact(new.encode()).protected["kid"] == following.kid
    for token in (old, new):
        await verifier.verify(token)


async def test_who_may_not_administer_neither_sees_nor_rotates_keys(admin: Admin) -> None:
    keys, reader = SigningKeysClient(admin.channel("gateway")), await admin.user("files:read")
    with pytest.raises(Forbidden):
        await keys.list_signing_keys(on_behalf_of=reader)
    with pytest.raises(Forbidden):
        await keys.rotate_signing_key(on_behalf_of=await admin.user("admin:read"))
