"""Service accounts."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from datetime import datetime

from services.model.identity import Account, AccountStatus

NO_SECRET = bytes(32)
"""Stands in for a hash where there is none: nothing is known to have it."""


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """A program that may ask for tokens."""

    id: str
    """UUID."""
    client_id: str
    name: str
    secret_sha256: bytes = field(repr=False)
    scopes: tuple[str, ...]
    created_at: datetime
    secret_expires_at: datetime | None = None
    """None: never."""
    status: AccountStatus = AccountStatus.ACTIVE
    is_system: bool = False

    description: str = ""
    previous_secret_sha256: bytes | None = field(default=None, repr=False)
    previous_secret_valid_until: datetime | None = None
    """Set exactly where `previous_secret_sha256` is."""
    last_used_at: datetime | None = None

    def accepts(self, secret: str, now: datetime) -> bool:
        """Whether `secret` lets it in at `now`. Takes the same time whatever is wrong."""
        given = hash_secret(secret)
        present = hmac.compare_digest(given, self.secret_sha256) and _before(now, self.secret_expires_at)
        previous = hmac.compare_digest(given, self.previous_secret_sha256 or NO_SECRET)
        overlapping = previous and self.previous_secret_valid_until is not None
        accepted = present or (overlapping and _before(now, self.previous_secret_valid_until))
        return accepted and self.status is AccountStatus.ACTIVE

    @property
    def shown(self) -> Account:
        """What may be shown of it."""
        return Account(
            id=self.id, client_id=self.client_id, name=self.name, description=self.description, scopes=self.scopes,
            status=self.status, is_system=self.is_system, created_at=self.created_at,
            secret_expires_at=self.secret_expires_at, previous_secret_valid_until=self.previous_secret_valid_until,
            last_used_at=self.last_used_at,
        )  # fmt: skip


def hash_secret(secret: str) -> bytes:
    """What is kept of a service account's secret: it has 256 random bits, so nothing slower is needed."""
    return hashlib.sha256(secret.encode()).digest()


def _before(now: datetime, end: datetime | None) -> bool:
    return end is None or now < end
