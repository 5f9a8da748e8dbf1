"""Service accounts."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from artstore.admin.v1 import accounts_pb2
from google.protobuf.timestamp_pb2 import Timestamp

from clients.wire.scalars import EnumTable, only_set, time_from_proto, time_to_proto
from services.model.identity import Account, AccountStatus
from services.model.ids import parse_uuid

if TYPE_CHECKING:
    from artstore.admin.v1.accounts_pb2 import AccountStatus as AccountStatusProto

_STATUSES = EnumTable(AccountStatus, accounts_pb2.AccountStatus, "ACCOUNT_STATUS")


def account_status_to_proto(status: AccountStatus | None) -> AccountStatusProto.ValueType:
    """None becomes the unspecified value."""
    return _STATUSES.to_proto(status)


def account_status_from_proto(number: int, field: str = "status") -> AccountStatus | None:
    """The unspecified value becomes None."""
    return _STATUSES.optional(number, field)


def account_to_proto(account: Account) -> accounts_pb2.Account:
    """Every field."""
    return accounts_pb2.Account(
        id=account.id,
        client_id=account.client_id,
        name=account.name,
        description=account.description,
        scopes=account.scopes,
        status=_STATUSES.to_proto(account.status),
        is_system=account.is_system,
        created_at=time_to_proto(account.created_at),
        **only_set(
            secret_expires_at=time_to_proto(account.secret_expires_at),
            previous_secret_valid_until=time_to_proto(account.previous_secret_valid_until),
            last_used_at=time_to_proto(account.last_used_at),
        ),
    )


def account_from_proto(message: accounts_pb2.Account) -> Account:
    """Every field."""

    def time(name: str) -> datetime | None:
        value: Timestamp = getattr(message, name)
        return time_from_proto(value, name) if message.HasField(name) else None  # type: ignore[arg-type]  # by name

    return Account(
        id=parse_uuid(message.id, field="id"),
        client_id=message.client_id,
        name=message.name,
        description=message.description,
        scopes=tuple(message.scopes),
        status=_STATUSES.from_proto(message.status, "status"),
        is_system=message.is_system,
        created_at=time_from_proto(message.created_at, "created_at"),
        secret_expires_at=time("secret_expires_at"),
        previous_secret_valid_until=time("previous_secret_valid_until"),
        last_used_at=time("last_used_at"),
    )
