"""Who may do what: scopes, service accounts and people, as every process speaks of them. No secret is ever in here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

SCOPES = ("files:read", "files:write", "storage:read", "storage:write", "admin:read", "admin:write")
"""Every scope, in the order in which they are written."""


class AccountStatus(StrEnum):
    """Whether a service account may ask for tokens."""

    ACTIVE = "active"
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True)
class Account:
    """A program that may ask for tokens."""

    id: str
    """UUID."""
    client_id: str
    name: str
    description: str
    scopes: tuple[str, ...]
    status: AccountStatus
    is_system: bool
    created_at: datetime
    secret_expires_at: datetime | None = None
    """None: never."""
    previous_secret_valid_until: datetime | None = None
    """Until then the secret before the present one lets it in as well; None: there is none."""
    last_used_at: datetime | None = None
    """To the minute; None: never."""


@dataclass(frozen=True, slots=True)
class AccountChange:
    """What a change sets; None leaves a property as it is."""

    description: str | None = None
    scopes: tuple[str, ...] | None = None
    status: AccountStatus | None = None


@dataclass(frozen=True, slots=True)
class AccountSecret:
    """An account with its new secret, which nobody can ask for again."""

    account: Account
    client_secret: str

    def __repr__(self) -> str:
        return f"AccountSecret({self.account.client_id!r})"  # never the secret: reprs end in logs


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
    """Not for a while, after too many failures."""
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True)
class User:
    """A person who administers."""

    id: str
    """UUID."""
    username: str
    """Also the subject of his tokens."""
    role: UserRole
    status: UserStatus
    created_at: datetime
    full_name: str = ""
    email: str = ""
    locked_until: datetime | None = None
    """Set exactly where the status is locked."""
    last_login_at: datetime | None = None
    totp_enabled: bool = False


@dataclass(frozen=True, slots=True)
class UserChange:
    """What a change sets; None leaves a property as it is."""

    role: UserRole | None = None
    status: UserStatus | None = None
    """Active or disabled."""
    full_name: str | None = None
    email: str | None = None


@dataclass(frozen=True, slots=True)
class Session:
    """The tokens of somebody who logged in."""

    access_token: str
    expires_in: timedelta
    refresh_token: str
    """Opaque; good for one use."""
    refresh_expires_in: timedelta
    scope: str
    """Scopes granted, separated by spaces."""

    def __repr__(self) -> str:
        return f"Session({self.scope!r})"  # never a token: reprs end in logs


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What a device must know to be somebody's second factor; nobody can ask for it again."""

    secret: str
    """In base32."""
    uri: str
    """The same as an otpauth: address."""

    def __repr__(self) -> str:
        return "Enrolment()"  # never the secret: reprs end in logs


@dataclass(frozen=True, slots=True)
class Self:
    """Who is behind a token."""

    subject: str
    scopes: tuple[str, ...]
    user: User | None
    """None: a service account."""


@dataclass(frozen=True, slots=True)
class TokenState:
    """What is known of a token (RFC 7662 section 2.2)."""

    active: bool
    """Services take it. Else nothing below is told."""
    token_type: str = ""
    """"Bearer" for an access token, "refresh_token"."""
    scope: str = ""
    client_id: str = ""
    subject: str = ""
    audiences: tuple[str, ...] = ()
    issuer: str = ""
    token_id: str = ""
    issued_at: datetime | None = None
    """None: not kept."""
    expires_at: datetime | None = None
    subject_active: bool = False
    """Whoever is behind it is there and not disabled."""


class KeyState(StrEnum):
    """Where a signing key is in its life; it only moves down this list."""

    NEXT = "next"
    """Published, so that every verifier has it before it is used."""
    ACTIVE = "active"
    """Signs."""
    RETIRING = "retiring"
    """Verifies until the last token signed by it has expired."""
    RETIRED = "retired"
    """Published no more."""


@dataclass(frozen=True, slots=True)
class KeyInfo:
    """A signing key, without what it signs with."""

    kid: str
    algorithm: str
    state: KeyState
    created_at: datetime
    activates_at: datetime
    retires_at: datetime | None = None


def in_order(scopes: Iterable[str]) -> tuple[str, ...]:
    """Known scopes, each once, in the order of `SCOPES`."""
    wanted = frozenset(scopes)
    return tuple(scope for scope in SCOPES if scope in wanted)
