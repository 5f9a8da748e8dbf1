"""Rotation of the signing keys: nobody who verifies ever meets a key that he does not know."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from services.admin.domain.keys import SigningKey, Step, steps
from services.admin.usecases.access_tokens import AccessTokens
from services.admin.usecases.key_ring import RELOAD, KeyRing
from services.admin.usecases.rotate_keys import ListSigningKeys, RotateKeys, RotateSigningKey
from services.admin.usecases.standing import Standing
from services.chassis.caller import Identity
from services.chassis.tokens import SKEW, TokenVerifier
from services.model.errors import Unauthorized
from services.model.identity import SCOPES, KeyState
from services.model.ids import Subject
from tests.doubles.admin_stores import MemoryAccounts, MemoryKeys, MemoryUsers
from tests.doubles.clock import FakeClock
from tests.support.admin_things import NOW, account

DAY, WAIT, LIFE = timedelta(days=1), timedelta(seconds=180), timedelta(minutes=30)
ENVOY_KEEPS = 60.0
"""Seconds for which Envoy uses a key set; it does not ask again for a key that it does not know."""


def key(state: KeyState, since: timedelta = timedelta(0), retires: timedelta | None = None) -> SigningKey:
    at = None if retires is None else NOW + retires
    return SigningKey(f"{state}-{since}", state, {}, NOW, None, NOW + since, at)


ACTIVE, NEXT, RETIRING = KeyState.ACTIVE, KeyState.NEXT, KeyState.RETIRING


@pytest.mark.parametrize(
    ("keys", "seen", "expected"),
    [
        ([key(ACTIVE)], WAIT, []),
        ([key(ACTIVE, -DAY + WAIT + timedelta(seconds=1))], WAIT, []),
        ([key(ACTIVE, -DAY + WAIT)], WAIT, [Step.PUBLISH]),
        ([key(ACTIVE, -9 * DAY)], WAIT, [Step.PUBLISH]),
        ([key(ACTIVE, -DAY), key(NEXT, timedelta(seconds=1))], WAIT, []),
        ([key(ACTIVE, -DAY), key(NEXT)], WAIT, [Step.ACTIVATE]),
        ([key(ACTIVE, -DAY), key(NEXT)], WAIT - timedelta(seconds=1), []),
        ([key(ACTIVE), key(RETIRING, -DAY, timedelta(seconds=1))], WAIT, []),
        ([key(ACTIVE), key(RETIRING, -DAY, timedelta(0))], WAIT, [Step.RETIRE]),
        ([key(ACTIVE, -DAY), key(RETIRING, -DAY, timedelta(0))], WAIT, [Step.PUBLISH, Step.RETIRE]),
        ([], WAIT, []),
    ],
)
def test_what_is_due(keys: list[SigningKey], seen: timedelta, expected: list[Step]) -> None:
    assert steps(keys, NOW, interval=DAY, wait=WAIT, seen=seen) == expected


class Replica:
    """One Admin: its keys in memory, and what rotates them."""

    def __init__(self, store: MemoryKeys, clock: FakeClock) -> None:
        self.ring = KeyRing(keys=store, clock=clock)
        self.rotate = RotateKeys(keys=store, ring=self.ring, clock=clock, interval=DAY, wait=WAIT, lifetime=LIFE)
        self.tokens = AccessTokens(keys=self.ring, issuer="https://i", audience="artstore", lifetime=LIFE)
        self.clock = clock

    async def token(self) -> str:
        return (await self.tokens.signer())("anna", "anna", "files:read", self.clock.now())

    async def jwks(self) -> dict[str, Any]:
        return await self.ring.jwks()


class LikeEnvoy:
    """Keeps a key set for so long, whatever it is shown."""

    def __init__(self, source: Replica, clock: FakeClock) -> None:
        self.source, self.clock = source, clock
        self.until = float("-inf")
        self.kept: dict[str, Any] = {}

    async def verifies(self, token: str) -> bool:
        if self.clock.monotonic() >= self.until:
            self.kept = await self.source.jwks()
            self.until = self.clock.monotonic() + ENVOY_KEEPS
        return await accepted(Fixed(self.kept), token, self.clock)


class Fixed:
    """Fills `chassis.tokens.KeySource` with one key set."""

    def __init__(self, keys: dict[str, Any]) -> None:
        self.keys = keys

    async def jwks(self) -> dict[str, Any]:
        return self.keys


async def accepted(source: Any, token: str, clock: FakeClock) -> bool:
    try:
        await TokenVerifier(source, issuer="https://i", audience="artstore", clock=clock).verify(token)
    except Unauthorized:
        return False
    return True


async def test_through_two_rotations_no_valid_token_is_refused_by_anybody() -> None:
    """Two replicas with memories of their own, two Envoys that never ask again; tokens old and new, every 5 s."""
    clock, store = FakeClock(NOW), MemoryKeys()
    first, second = Replica(store, clock), Replica(store, clock)
    await first.ring.ensure()
    edges = [LikeEnvoy(first, clock), LikeEnvoy(second, clock)]
    valid: list[tuple[float, str]] = []
    done: list[Step] = []
    for beat in range(2 * 500):
        clock.advance(5)
        if beat in (10, 500):
            await first.rotate.publish()
        if beat % 3 == 0:
            done += await (first, second)[beat % 2].rotate()
        if beat % 6 == 0:
            valid += [(clock.monotonic(), await each.token()) for each in (first, second)]
        valid = [each for each in valid if clock.monotonic() - each[0] < LIFE.total_seconds()]
        for edge in edges:
            for _, token in (*valid[:2], *valid[-2:]):
                assert await edge.verifies(token), beat
    assert done.count(Step.ACTIVATE) == 2
    assert Step.RETIRE in done


async def test_a_key_is_not_used_before_this_process_has_published_it_long_enough() -> None:
    """Admin was away while the wait ran out: nobody could fetch the new key, so the wait begins anew."""
    clock, store = FakeClock(NOW), MemoryKeys()
    dying = Replica(store, clock)
    await dying.ring.ensure()
    await dying.rotate.publish()
    clock.advance(WAIT * 2)
    reborn = Replica(store, clock)
    assert await reborn.rotate() == []
    clock.advance(WAIT)
    assert await reborn.rotate() == [Step.ACTIVATE]


async def test_whoever_comes_next_goes_on_where_another_died() -> None:
    clock, store = FakeClock(NOW), MemoryKeys()
    first = Replica(store, clock)
    await first.ring.ensure()
    clock.advance(DAY)
    assert await first.rotate() == [Step.PUBLISH]
    second = Replica(store, clock)
    assert await second.rotate() == []
    clock.advance(WAIT)
    assert await second.rotate() == [Step.ACTIVATE]
    listed = await ListSigningKeys(ring=first.ring)()
    assert [each.state for each in listed] == [RETIRING, ACTIVE]
    assert listed[0].retires_at == clock.now() + LIFE + timedelta(seconds=RELOAD + SKEW)
    assert all(each.private_der is None for each in store.keys if each.state is RETIRING)


async def test_a_rotation_asked_for_twice_is_one() -> None:
    clock, store = FakeClock(NOW), MemoryKeys()
    replica = Replica(store, clock)
    await replica.ring.ensure()
    standing = Standing(accounts=MemoryAccounts(account(client_id="sa_boss")), users=MemoryUsers())
    ask = RotateSigningKey(rotate=replica.rotate, standing=standing)
    boss = Identity(Subject("sa_boss"), frozenset(SCOPES), "token")
    one, two = await ask(by=boss), await ask(by=boss)
    assert one == two
    assert (one.state, one.activates_at) == (NEXT, NOW + WAIT)
    with pytest.raises(Unauthorized):
        await ask(by=Identity(Subject("nobody"), frozenset(SCOPES), "token"))
