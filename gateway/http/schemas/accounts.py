"""Service accounts in requests and answers; only holders of `admin:read` see them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from gateway.http.schemas.search import Cursor, Limit, Offset
from services.model.identity import Account, AccountChange, AccountSecret, AccountStatus
from services.model.paging import DEFAULT_LIMIT, Page, PageRequest

TtlDays = Annotated[int, Meta(ge=0, le=3650, description="Days for which the secret is valid; 0: for ever.")]


class ServiceAccount(msgspec.Struct, frozen=True):
    """A program that may ask for tokens."""

    id: str
    client_id: str
    name: str
    description: str
    scopes: list[str]
    status: AccountStatus
    secret_expires_at: Annotated[datetime | None, Meta(description="null: never.")]
    previous_secret_valid_until: Annotated[
        datetime | None, Meta(description="Until then the secret before the present one is valid as well.")
    ]
    is_system: Annotated[bool, Meta(description="The one account that cannot be deleted or disabled.")]
    created_at: datetime
    last_used_at: Annotated[datetime | None, Meta(description="When it last obtained a token, to the minute.")]


class ServiceAccountWithSecret(ServiceAccount, frozen=True):
    """An account with its new secret, which is shown this once."""

    client_secret: str

    def __repr__(self) -> str:
        return f"ServiceAccountWithSecret({self.client_id!r})"


class ServiceAccountPage(msgspec.Struct, frozen=True):
    """A part of the listing."""

    items: list[ServiceAccount]
    total: int
    limit: int
    offset: int
    has_more: bool
    next_cursor: Annotated[str | None, Meta(description="For the next page; null on the last.")]


class ServiceAccountsQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which accounts."""

    status: AccountStatus | None = None
    limit: Limit = DEFAULT_LIMIT
    offset: Offset = 0
    cursor: Cursor = ""

    def page(self) -> PageRequest:
        """Raises `ValidationFailed` naming every field that is wrong."""
        page = PageRequest(limit=self.limit, offset=self.offset, cursor=self.cursor)
        page.check()
        return page


class NewServiceAccount(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An account to make."""

    name: Annotated[str, Meta(description="a-z, 0-9, hyphen, underscore; a part of the client id.", max_length=64)]
    scopes: list[str]
    description: Annotated[str, Meta(max_length=500)] = ""
    secret_ttl_days: TtlDays | None = None

    @property
    def lifetime(self) -> timedelta | None:
        """Of the secret; None: as the installation has it."""
        return None if self.secret_ttl_days is None else timedelta(days=self.secret_ttl_days)


class ServiceAccountUpdate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to change; what is left out stays."""

    description: Annotated[str, Meta(max_length=500)] | UnsetType = UNSET
    scopes: list[str] | UnsetType = UNSET
    status: AccountStatus | UnsetType = UNSET

    def change(self) -> AccountChange:
        """As the model has it."""
        return AccountChange(
            description=None if isinstance(self.description, UnsetType) else self.description,
            scopes=None if isinstance(self.scopes, UnsetType) else tuple(self.scopes),
            status=None if isinstance(self.status, UnsetType) else self.status,
        )


class SecretRotation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How to replace a secret; everything may be left out."""

    secret_ttl_days: TtlDays | None = None
    overlap_seconds: (
        Annotated[int, Meta(ge=0, le=30 * 86400, description="How long the present secret stays valid; 0: not at all.")]
        | None
    ) = None

    @property
    def lifetime(self) -> timedelta | None:
        """Of the secret; None: as the installation has it."""
        return None if self.secret_ttl_days is None else timedelta(days=self.secret_ttl_days)

    @property
    def overlap(self) -> timedelta | None:
        """None: as the installation has it."""
        return None if self.overlap_seconds is None else timedelta(seconds=self.overlap_seconds)


def account_of(account: Account) -> ServiceAccount:
    """What an administrator sees of an account."""
    return ServiceAccount(**_fields(account))


def account_with_secret(made: AccountSecret) -> ServiceAccountWithSecret:
    """What is shown once."""
    return ServiceAccountWithSecret(**_fields(made.account), client_secret=made.client_secret)


def account_page(page: Page[Account], asked: PageRequest) -> ServiceAccountPage:
    """A page of accounts."""
    return ServiceAccountPage(
        items=[account_of(account) for account in page.items],
        total=page.total,
        limit=asked.limit,
        offset=asked.offset,
        has_more=page.has_more,
        next_cursor=page.next_cursor or None,
    )


def _fields(account: Account) -> dict[str, Any]:
    return {name: getattr(account, name) for name in ServiceAccount.__struct_fields__} | {
        "scopes": list(account.scopes)
    }
