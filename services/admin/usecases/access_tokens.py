"""Access tokens as they are made (RFC 9068)."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Protocol

from joserfc import jwt

from services.admin.domain.keys import ALGORITHM
from services.admin.usecases.key_ring import KeyRing
from services.chassis.tokens import TOKEN_TYPE


class Signer(Protocol):
    """Makes one token with a key that has been looked up."""

    def __call__(
        self, subject: str, client_id: str, scope: str, now: datetime, further: Mapping[str, Any] | None = None
    ) -> str:
        """The JWT. `further` claims, which may name another `aud`."""
        ...


class AccessTokens:
    """What all tokens of this installation have in common."""

    def __init__(self, *, keys: KeyRing, issuer: str, audience: str, lifetime: timedelta) -> None:
        self._keys = keys
        self.issuer = issuer
        self.audience = audience
        self.lifetime = lifetime

    @property
    def ours(self) -> frozenset[str]:
        """What the services together are called where a token is asked for (RFC 8707): by audience or by address."""
        return frozenset({self.audience, self.issuer, self.issuer + "/"})

    async def signer(self) -> Signer:
        """Raises `ServiceUnavailable` while there is no key."""
        key = await self._keys.signer()

        def sign(
            subject: str, client_id: str, scope: str, now: datetime, further: Mapping[str, Any] | None = None
        ) -> str:
            issued = int(now.timestamp())
            claims = {
                "iss": self.issuer,
                "aud": self.audience,
                "sub": subject,
                "client_id": client_id,
                "iat": issued,
                "exp": issued + int(self.lifetime.total_seconds()),
                "jti": secrets.token_urlsafe(16),
                "scope": scope,
                **(further or {}),
            }
            header = {"alg": ALGORITHM, "typ": TOKEN_TYPE, "kid": key.kid}
            return jwt.encode(header, claims, key, algorithms=[ALGORITHM])

        return sign
