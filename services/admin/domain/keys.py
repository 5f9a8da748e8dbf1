"""Keys that sign tokens."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

ALGORITHM = "RS256"
KEY_BITS = 2048
"""Good until 2030 (NIST SP 800-57 part 1, table 4), and a key lives for days; longer ones sign three times slower."""


class KeyState(StrEnum):
    """Where a key is in its life; it only moves down this list."""

    NEXT = "next"
    """Published, so that every verifier has it before it is used."""
    ACTIVE = "active"
    """Signs."""
    RETIRING = "retiring"
    """Verifies until the last token signed by it has expired."""
    RETIRED = "retired"
    """Published no more."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """An RSA key pair."""

    kid: str
    state: KeyState
    public_jwk: Mapping[str, Any]
    """RFC 7517, with `kid`, `use` and `alg`."""
    created_at: datetime
    private_der: bytes | None = field(default=None, repr=False)
    """PKCS #8; None once it does not sign any more."""


def key_set(keys: Iterable[SigningKey]) -> dict[str, Any]:
    """The JWK set (RFC 7517 section 5) of every key by which a valid token may be signed."""
    return {"keys": [dict(key.public_jwk) for key in keys if key.state is not KeyState.RETIRED]}
