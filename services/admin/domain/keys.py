"""Keys that sign tokens."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Any

from services.model.identity import KeyInfo, KeyState

ALGORITHM = "RS256"
KEY_BITS = 2048
"""Good until 2030 (NIST SP 800-57 part 1, table 4), and a key lives for days; longer ones sign three times slower."""


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
    activates_at: datetime | None = None
    """Of the next one: not before then. Else when it began to sign; None: when it was made."""
    retires_at: datetime | None = None
    """Of a retiring one: published until then."""

    @property
    def since(self) -> datetime:
        """When it began to sign, or may begin."""
        return self.activates_at or self.created_at

    @property
    def shown(self) -> KeyInfo:
        """What may be shown of it."""
        return KeyInfo(self.kid, ALGORITHM, self.state, self.created_at, self.since, self.retires_at)


def key_set(keys: Iterable[SigningKey]) -> dict[str, Any]:
    """The JWK set (RFC 7517 section 5) of every key by which a valid token may be signed."""
    return {"keys": [dict(key.public_jwk) for key in keys if key.state is not KeyState.RETIRED]}


class Step(Enum):
    """What a rotation does next."""

    PUBLISH = auto()
    """Make the key that will sign, and publish it."""
    ACTIVATE = auto()
    """Let it sign; the one before retires."""
    RETIRE = auto()
    """Publish no more what no valid token is signed by."""


def steps(
    keys: Sequence[SigningKey], now: datetime, *, interval: timedelta, wait: timedelta, seen: timedelta
) -> list[Step]:
    """What is to be done now, in this order.

    A key signs for `interval`. The next one is published `wait` before it signs, and signs only once it has been
    published for that long without a break that we know of: `seen` is for how long we have served it ourselves.
    """
    found = {key.state: key for key in keys if key.state is not KeyState.RETIRING}
    active, following, todo = found.get(KeyState.ACTIVE), found.get(KeyState.NEXT), []
    if active is not None and following is None and now >= active.since + interval - wait:
        todo.append(Step.PUBLISH)
    if following is not None and now >= following.since and seen >= wait:
        todo.append(Step.ACTIVATE)
    if any(key.state is KeyState.RETIRING and key.retires_at is not None and now >= key.retires_at for key in keys):
        todo.append(Step.RETIRE)
    return todo
