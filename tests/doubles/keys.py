"""A key source and the tokens that its keys sign."""

from __future__ import annotations

import time
from typing import Any

from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

from services.model.errors import ServiceUnavailable

ISSUER = "https://localhost:8443"
AUDIENCE = "artstore"


class SigningKeys:
    """Fills `services.chassis.tokens.KeySource`, and signs."""

    def __init__(self) -> None:
        self.keys = [RSAKey.generate_key(2048, {"kid": "one"}, private=True)]
        self.fetches = 0
        self.down = False

    async def jwks(self) -> dict[str, Any]:
        self.fetches += 1
        if self.down:
            raise ServiceUnavailable("admin is away")
        return {"keys": [key.as_dict(private=False) for key in self.keys]}

    def add(self, kid: str) -> None:
        """A further key, the newest: it signs from now on."""
        self.keys.append(RSAKey.generate_key(2048, {"kid": kid}, private=True))

    def token(self, *, header: dict[str, Any] | None = None, key: Any = None, alg: str = "RS256", **claims: Any) -> str:
        """A valid access token, but for what is given; a claim given as None is left out."""
        signer = key or self.keys[-1]
        now = int(time.time())
        payload: dict[str, Any] = {
            "iss": ISSUER, "aud": AUDIENCE, "sub": "sa_test", "iat": now, "exp": now + 600, "scope": "files:read",
        }  # fmt: skip
        payload.update(claims)
        head = {"alg": alg, "typ": "at+jwt", "kid": getattr(signer, "kid", None), **(header or {})}
        return jwt.encode(head, {k: v for k, v in payload.items() if v is not None}, signer, algorithms=[alg])


__all__ = ["AUDIENCE", "ISSUER", "KeySet", "SigningKeys"]
