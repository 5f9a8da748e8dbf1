"""The keys that sign and verify tokens, kept in memory and looked up again now and then."""

from __future__ import annotations

import asyncio
import base64
import secrets
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_der_private_key
from joserfc.jwk import RSAKey

from services.admin.domain.keys import ALGORITHM, KEY_BITS, SigningKey, key_set
from services.admin.ports import KeyStore
from services.chassis.logs import get_logger
from services.model.clock import Clock
from services.model.errors import ServiceUnavailable
from services.model.identity import KeyState

RELOAD = 15.0
"""Seconds after which the keys are read again, so that every replica signs with the same one before long."""

log = get_logger(__name__)


class KeyRing:
    """The present keys. While the store is away the last ones known serve on."""

    def __init__(self, *, keys: KeyStore, clock: Clock) -> None:
        self._store = keys
        self._clock = clock
        self._keys: Sequence[SigningKey] = ()
        self._signers: dict[str, RSAKey] = {}
        self._loaded = float("-inf")
        self._loading = asyncio.Lock()

    async def ensure(self) -> None:
        """Make the first key if there is none."""
        keys = await self._store.published()
        if not any(key.state is KeyState.ACTIVE for key in keys):
            key = await asyncio.to_thread(new_key, self._clock)
            if await self._store.add_first(key):
                log.info("the first signing key was made", kid=key.kid)
        await self._load()

    async def signer(self) -> RSAKey:
        """The key that signs now. Raises `ServiceUnavailable` when there is none."""
        for key in await self._present():
            if key.state is KeyState.ACTIVE and key.private_der is not None:
                return self._signer(key.kid, key.private_der)
        raise ServiceUnavailable("no token can be signed now: there is no active key", retry_after=RELOAD)

    async def jwks(self) -> dict[str, Any]:
        """The published key set. Raises `ServiceUnavailable` if none was ever read."""
        return key_set(await self._present())

    async def reload(self) -> Sequence[SigningKey]:
        """Read the keys now, not when it is time; return every one that is published. Raises `ServiceUnavailable`."""
        await self._load()
        return self._keys

    async def _present(self) -> Sequence[SigningKey]:
        if self._clock.monotonic() - self._loaded > RELOAD:
            async with self._loading:
                if self._clock.monotonic() - self._loaded > RELOAD:
                    await self._reload()
        return self._keys

    async def _reload(self) -> None:
        try:
            await self._load()
        except ServiceUnavailable:
            if not self._keys:
                raise
            self._loaded = self._clock.monotonic()
            log.warning("the signing keys could not be read again; the last ones known stay in use")

    async def _load(self) -> None:
        self._keys = await self._store.published()
        self._loaded = self._clock.monotonic()
        kids = {key.kid for key in self._keys}
        self._signers = {kid: signer for kid, signer in self._signers.items() if kid in kids}

    def _signer(self, kid: str, private_der: bytes) -> RSAKey:
        """Parsed once: parsing checks the primes, which takes longer than a signature."""
        if kid not in self._signers:
            private = load_der_private_key(private_der, password=None)
            assert isinstance(private, rsa.RSAPrivateKey)
            self._signers[kid] = RSAKey.import_key(private, {"kid": kid, "use": "sig", "alg": ALGORITHM})
        return self._signers[kid]


def new_key(clock: Clock, *, state: KeyState = KeyState.ACTIVE, activates_in: timedelta = timedelta(0)) -> SigningKey:
    """A fresh key. Takes a good part of a second."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)
    kid = secrets.token_urlsafe(12)
    numbers = private.public_key().public_numbers()
    return SigningKey(
        kid=kid,
        state=state,
        public_jwk={"kty": "RSA", "kid": kid, "use": "sig", "alg": ALGORITHM,
                    "n": _base64url_uint(numbers.n), "e": _base64url_uint(numbers.e)},
        created_at=clock.now(),
        activates_at=clock.now() + activates_in,
        private_der=private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()),
    )  # fmt: skip


def _base64url_uint(number: int) -> str:
    """RFC 7518 section 2."""
    octets = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return base64.urlsafe_b64encode(octets).decode().rstrip("=")
