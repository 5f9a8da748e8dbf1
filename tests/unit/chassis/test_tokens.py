"""A token is believed only if every part of it is right, and keys are fetched no more often than they must be."""

from __future__ import annotations

import base64
import hmac
import json
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from joserfc.jwk import RSAKey

from services.chassis.tokens import JWKS_MAX_AGE, JWKS_MIN_AGE, REFUSED, TokenVerifier
from services.model.errors import ServiceUnavailable, Unauthorized
from tests.doubles.clock import FakeClock
from tests.doubles.keys import AUDIENCE, ISSUER, SigningKeys
from tests.doubles.mutations import mutated


@pytest.fixture(scope="module")
def signer() -> SigningKeys:
    return SigningKeys()


@pytest.fixture
def keys(signer: SigningKeys) -> SigningKeys:
    signer.fetches, signer.down = 0, False
    del signer.keys[1:]
    return signer


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(datetime.now(UTC))


@pytest.fixture
def verifier(keys: SigningKeys, clock: FakeClock) -> TokenVerifier:
    return TokenVerifier(keys, issuer=ISSUER, audience=AUDIENCE, clock=clock)


async def test_a_good_token_names_subject_and_scopes(verifier: TokenVerifier, keys: SigningKeys) -> None:
    identity = await verifier.verify(keys.token(scope="files:read files:write"))
    assert identity.subject == "sa_test"
    assert identity.scopes == {"files:read", "files:write"}


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _bad(keys: SigningKeys) -> dict[str, str]:
    now = int(time.time())
    public = keys.keys[0].as_pem(private=False)
    good = keys.token()
    head, payload, signature = good.split(".")
    none = _b64(b'{"alg":"none","typ":"at+jwt"}')
    hs256 = _b64(b'{"alg":"HS256","typ":"at+jwt","kid":"one"}')
    mac = hmac.digest(public, f"{hs256}.{payload}".encode(), "sha256")
    stranger: Any = RSAKey.generate_key(2048, {"kid": "one"}, private=True)
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    other = _b64(json.dumps({**claims, "sub": "root"}).encode())
    return {
        "empty": "",
        "garbage": "garbage",
        "three dots": "...",
        "no algorithm": f"{none}.{payload}.",
        "changed payload": f"{head}.{other}.{signature}",
        "cut signature": good[:-4],
        "public key as HMAC secret": f"{hs256}.{payload}.{_b64(mac)}",
        "signed by a stranger": keys.token(key=stranger),
        "other algorithm of the same key": keys.token(alg="PS256"),
        "expired": keys.token(exp=now - 60),
        "not yet valid": keys.token(nbf=now + 60),
        "no end": keys.token(exp=None),
        "end is text": keys.token(exp="tomorrow"),
        "other issuer": keys.token(iss="https://elsewhere"),
        "other audience": keys.token(aud="artstore-internal"),
        "no audience": keys.token(aud=None),
        "other type": keys.token(header={"typ": "JWT"}),
        "link as access": keys.token(header={"typ": "link+jwt"}),
        "no subject": keys.token(sub=None),
        "far too long": keys.token(scope="x" * 10_000),
    }


async def test_every_bad_token_is_refused_with_the_same_words(verifier: TokenVerifier, keys: SigningKeys) -> None:
    said = set()
    for name, token in _bad(keys).items():
        with pytest.raises(Unauthorized) as refusal:  # noqa: PT012 - the failure names the token
            await verifier.verify(token)
            pytest.fail(f"{name} was believed")
        said.add(refusal.value.message)
    assert len(said) == 1


async def test_ten_thousand_tokens_that_are_almost_right_are_refused_with_the_same_words(
    verifier: TokenVerifier, keys: SigningKeys
) -> None:
    good, seed = keys.token(), int(time.time())
    print(f"seed {seed}")  # noqa: T201 - shown where it fails
    believed, said = [], set()
    for token in mutated(good, 10_000, seed):
        try:
            await verifier.verify(token)
        except Unauthorized as refusal:
            said.add(refusal.message)
        else:
            believed.append(token)
    assert (believed, said) == ([], {REFUSED})
    assert (await verifier.verify(good)).subject == "sa_test"
    assert keys.fetches == 1


async def test_clocks_may_differ_by_thirty_seconds(verifier: TokenVerifier, keys: SigningKeys) -> None:
    assert (await verifier.verify(keys.token(exp=int(time.time()) - 20))).subject == "sa_test"


async def test_a_remembered_token_still_expires(verifier: TokenVerifier, keys: SigningKeys, clock: FakeClock) -> None:
    token = keys.token(exp=int(time.time()) + 10)
    await verifier.verify(token)
    clock.advance(45)
    with pytest.raises(Unauthorized):
        await verifier.verify(token)


async def test_keys_are_fetched_once_for_many_tokens(verifier: TokenVerifier, keys: SigningKeys) -> None:
    for number in range(20):
        await verifier.verify(keys.token(jti=str(number)))
    assert keys.fetches == 1


async def test_a_new_key_is_found_at_its_first_use(
    verifier: TokenVerifier, keys: SigningKeys, clock: FakeClock
) -> None:
    await verifier.verify(keys.token())
    keys.add("two")
    clock.advance(JWKS_MIN_AGE + 1)
    assert (await verifier.verify(keys.token())).subject == "sa_test"


async def test_unknown_key_ids_do_not_cause_a_storm_of_fetches(verifier: TokenVerifier, keys: SigningKeys) -> None:
    for number in range(50):
        with pytest.raises(Unauthorized):
            await verifier.verify(keys.token(header={"kid": f"foreign-{number}"}))
    assert keys.fetches == 1


async def test_a_withdrawn_key_takes_its_remembered_tokens_with_it(
    verifier: TokenVerifier, keys: SigningKeys, clock: FakeClock
) -> None:
    token = keys.token()
    await verifier.verify(token)
    keys.add("two")
    removed = keys.keys.pop(0)
    clock.advance(JWKS_MAX_AGE + 1)
    await verifier.verify(keys.token())
    with pytest.raises(Unauthorized):
        await verifier.verify(token)
    keys.keys.insert(0, removed)


async def test_tokens_are_verified_while_admin_is_away(
    verifier: TokenVerifier, keys: SigningKeys, clock: FakeClock
) -> None:
    await verifier.verify(keys.token())
    keys.down = True
    clock.advance(JWKS_MAX_AGE * 5)
    token = keys.token(exp=int(clock.now().timestamp()) + 60)
    assert (await verifier.verify(token)).subject == "sa_test"


async def test_whoever_was_never_shown_a_token_believes_the_first_one_while_admin_is_away(
    verifier: TokenVerifier, keys: SigningKeys, clock: FakeClock
) -> None:
    keys.down = True
    await verifier.learn()
    keys.down = False
    await verifier.learn()
    await verifier.learn()
    assert keys.fetches == 2
    keys.down = True
    assert (await verifier.verify(keys.token())).subject == "sa_test"


async def test_without_any_key_the_answer_is_unavailable_not_unauthorized(
    verifier: TokenVerifier, keys: SigningKeys
) -> None:
    keys.down = True
    with pytest.raises(ServiceUnavailable) as refusal:
        await verifier.verify(keys.token())
    assert refusal.value.retry_after
