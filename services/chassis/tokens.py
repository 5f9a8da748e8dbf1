"""Access tokens (RFC 9068), verified locally by a cached key set, so that nothing stops while Admin is away."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import json
from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Any, Protocol

from cachetools import LRUCache
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from services.chassis.caller import Identity
from services.chassis.logs import get_logger
from services.model.clock import Clock
from services.model.errors import ArtStoreError, ServiceUnavailable, Unauthorized
from services.model.ids import Subject

ALGORITHMS = ["RS256"]
TOKEN_TYPE = "at+jwt"  # noqa: S105 - a media type (RFC 9068)
SKEW = 30.0
"""Seconds by which clocks may differ; the same at Envoy."""
JWKS_MAX_AGE = 60.0
"""Seconds after which the key set is fetched again. Admin waits longer before it signs with a new key."""
JWKS_MIN_AGE = 5.0
"""Seconds that must lie between two fetches, however many unknown key ids are shown."""
LOOK_FOR_KEYS = timedelta(seconds=5)
"""How often it is looked whether the key set is known, and young enough."""
MAX_TOKEN_LENGTH = 8192

REFUSED = "the access token is missing, malformed, expired or not for this service"
"""One text for every defect, the same as Envoy's: a caller learns nothing by trying."""

log = get_logger(__name__)


class KeySource(Protocol):
    """Where verification keys come from."""

    async def jwks(self) -> dict[str, Any]:
        """The present key set (RFC 7517 section 5). Raises `ServiceUnavailable` when it cannot be had."""
        ...


class TokenReader:
    """Tokens of one issuer, verified but for whom they are meant."""

    def __init__(
        self,
        keys: KeySource,
        *,
        issuer: str,
        clock: Clock,
        types: Collection[str | None] = (TOKEN_TYPE,),
        subject: str = "admin",
    ) -> None:
        """`types`: what the header may say that the token is. `subject`: whose keys they are, for the log."""
        self._source = keys
        self._issuer = issuer
        self._clock = clock
        self._types = types
        self._of = subject
        self._keys: KeySet | None = None
        self.kids: frozenset[str] = frozenset()
        """Of the keys that are known."""
        self._fetched = float("-inf")
        self._fetching: asyncio.Task[None] | None = None

    async def claims(self, token: str) -> dict[str, Any]:
        """Return what the token says, its audience not looked at: `sub` is text, `exp` a number.

        Raises `Unauthorized`, or `ServiceUnavailable` while no key is known.
        """
        if len(token) > MAX_TOKEN_LENGTH or token.count(".") != 2:
            raise Unauthorized(REFUSED)
        keys = await self._keys_for(_kid(token))
        try:
            decoded = jwt.decode(token, keys, algorithms=ALGORITHMS)
        except (JoseError, ValueError, TypeError, UnicodeError):
            raise Unauthorized(REFUSED) from None
        claims: dict[str, Any] = decoded.claims
        if decoded.header.get("typ") not in self._types or claims.get("iss") != self._issuer:
            raise Unauthorized(REFUSED)
        subject = claims.get("sub")
        if not _timely(claims, self._clock.now().timestamp()) or not isinstance(subject, str) or not subject:
            raise Unauthorized(REFUSED)
        return claims

    async def keep_fresh(self) -> None:
        """Have the keys fetched again if they are old. Raises `ServiceUnavailable` while none is known."""
        await self._keys_for(None)

    async def _keys_for(self, kid: str | None) -> KeySet:
        """Return the key set.

        One that lacks `kid` is fetched again, not too often; one that is merely old serves on while the next is
        fetched, so that a slow Admin slows nobody.
        """
        age = self._clock.monotonic() - self._fetched
        if self._keys is None or (kid is not None and kid not in self.kids and age > JWKS_MIN_AGE):
            await asyncio.shield(self._refresh())
        elif age > JWKS_MAX_AGE:
            _ = self._refresh()
        if self._keys is None:
            raise ServiceUnavailable("tokens cannot be verified yet: no key has been received", retry_after=2)
        return self._keys

    def _refresh(self) -> asyncio.Task[None]:
        """The fetch under way, or a new one."""
        if self._fetching is None or self._fetching.done():
            self._fetching = asyncio.create_task(self._fetch())
        return self._fetching

    async def _fetch(self) -> None:
        self._fetched = self._clock.monotonic()
        try:
            keys = KeySet.import_key_set(await self._source.jwks())  # type: ignore[arg-type]  # checked while parsing
        except (ArtStoreError, JoseError, ValueError, KeyError) as error:
            log.warning("the key set could not be fetched; the old one stays in use", of=self._of, error=str(error))
            return
        self._keys, self.kids = keys, frozenset(key.kid for key in keys.keys if key.kid)


class TokenVerifier:
    """Turns bearers into identities. Verified tokens are remembered, by digest, until they expire."""

    def __init__(self, keys: KeySource, *, issuer: str, audience: str, clock: Clock, remembered: int = 10_000) -> None:
        self._reader = TokenReader(keys, issuer=issuer, clock=clock)
        self._audience = audience
        self._clock = clock
        self._kids = self._reader.kids
        self._verified: LRUCache[bytes, tuple[float, Identity]] = LRUCache(remembered)

    async def learn(self) -> None:
        """One pass: have keys at hand before the first token comes, and fresh ones later.

        Whoever verifies tokens repeats it (`LOOK_FOR_KEYS`): a process to which nobody has spoken yet must believe the
        first token too if Admin has gone meanwhile.
        """
        with contextlib.suppress(ServiceUnavailable):  # a token that comes now is told so, and the next pass comes
            await self._reader.keep_fresh()

    async def verify(self, token: str) -> Identity:
        """Return whom the token speaks for. Raises `Unauthorized`, or `ServiceUnavailable` while no key is known."""
        digest = hashlib.sha256(token.encode("utf-8", "replace")).digest()
        if self._kids != self._reader.kids:
            self._verified.clear()  # a token signed by a withdrawn key must not live on in the memory
            self._kids = self._reader.kids
        known = self._verified.get(digest)
        if known is not None and self._clock.now().timestamp() < known[0]:
            await self._reader.keep_fresh()
            return known[1]
        claims = await self._reader.claims(token)
        scope = claims.get("scope", "")
        if self._audience not in audiences(claims) or not isinstance(scope, str):
            raise Unauthorized(REFUSED)
        identity = Identity(Subject(claims["sub"]), frozenset(scope.split()), token)
        self._verified[digest] = (claims["exp"] + SKEW, identity)
        return identity


def audiences(claims: Mapping[str, Any]) -> list[Any]:
    """For whom a token is: one or several (RFC 7519 section 4.1.3)."""
    audience = claims.get("aud")
    return audience if isinstance(audience, list) else [audience]


def _kid(token: str) -> str | None:
    head = token.split(".", 1)[0]
    try:
        kid = json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4))).get("kid")
    except (ValueError, AttributeError):
        return None
    return kid if isinstance(kid, str) else None


def _timely(claims: dict[str, Any], now: float) -> bool:
    expires, not_before = claims.get("exp"), claims.get("nbf", 0)
    if not isinstance(expires, int | float) or not isinstance(not_before, int | float):
        return False
    return not_before - SKEW <= now < expires + SKEW
