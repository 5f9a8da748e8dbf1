"""Service accounts and users."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

SCOPES = ("files:read", "files:write", "storage:read", "storage:write", "admin:read", "admin:write")
"""Every scope, in the order in which they are written."""

MIN_PASSWORD_LENGTH = 12
"""Characters in a person's password."""


class AccountStatus(StrEnum):
    """Whether a service account may ask for tokens."""

    ACTIVE = "active"
    DISABLED = "disabled"


class UserRole(StrEnum):
    """What a person may do."""

    ADMIN = "admin"
    """Everything."""
    READONLY = "readonly"
    """Every read."""


class UserStatus(StrEnum):
    """Whether a person may log in."""

    ACTIVE = "active"
    LOCKED = "locked"
    DISABLED = "disabled"


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

    def accepts(self, secret: str, now: datetime) -> bool:
        """Whether `secret` lets it in at `now`. Takes the same time whatever is wrong."""
        same = hmac.compare_digest(hash_secret(secret), self.secret_sha256)
        expired = self.secret_expires_at is not None and now >= self.secret_expires_at
        return same and not expired and self.status is AccountStatus.ACTIVE


@dataclass(frozen=True, slots=True)
class AdminUser:
    """A person who administers."""

    id: str
    """UUID."""
    username: str
    password_hash: str = field(repr=False)
    """argon2id in PHC string format."""
    role: UserRole
    created_at: datetime
    status: UserStatus = UserStatus.ACTIVE


def hash_secret(secret: str) -> bytes:
    """What is kept of a service account's secret: it has 256 random bits, so nothing slower is needed."""
    return hashlib.sha256(secret.encode()).digest()


def in_order(scopes: frozenset[str]) -> tuple[str, ...]:
    """Known scopes in the order of `SCOPES`."""
    return tuple(scope for scope in SCOPES if scope in scopes)
