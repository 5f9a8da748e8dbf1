"""People and their sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from artstore.admin.v1 import users_pb2

from clients.wire.scalars import (
    EnumTable,
    duration_from_proto,
    duration_to_proto,
    only_set,
    time_from_proto,
    time_to_proto,
)
from services.model.identity import Self, Session, User, UserRole, UserStatus
from services.model.ids import parse_uuid

if TYPE_CHECKING:
    from artstore.admin.v1.users_pb2 import UserRole as UserRoleProto
    from artstore.admin.v1.users_pb2 import UserStatus as UserStatusProto

_ROLES = EnumTable(UserRole, users_pb2.UserRole, "USER_ROLE")
_STATUSES = EnumTable(UserStatus, users_pb2.UserStatus, "USER_STATUS")


def role_to_proto(role: UserRole | None) -> UserRoleProto.ValueType:
    """None becomes the unspecified value."""
    return _ROLES.to_proto(role)


def role_from_proto(number: int, field: str = "role") -> UserRole:
    """Required."""
    return _ROLES.from_proto(number, field)


def optional_role_from_proto(number: int, field: str = "role") -> UserRole | None:
    """The unspecified value becomes None."""
    return _ROLES.optional(number, field)


def user_status_to_proto(status: UserStatus | None) -> UserStatusProto.ValueType:
    """None becomes the unspecified value."""
    return _STATUSES.to_proto(status)


def user_status_from_proto(number: int, field: str = "status") -> UserStatus | None:
    """The unspecified value becomes None."""
    return _STATUSES.optional(number, field)


def user_to_proto(user: User) -> users_pb2.User:
    """Every field."""
    return users_pb2.User(
        id=user.id,
        username=user.username,
        role=_ROLES.to_proto(user.role),
        status=_STATUSES.to_proto(user.status),
        full_name=user.full_name,
        email=user.email,
        created_at=time_to_proto(user.created_at),
        totp_enabled=user.totp_enabled,
        **only_set(locked_until=time_to_proto(user.locked_until), last_login_at=time_to_proto(user.last_login_at)),
    )


def user_from_proto(message: users_pb2.User) -> User:
    """Every field."""
    locked, login = message.HasField("locked_until"), message.HasField("last_login_at")
    return User(
        id=parse_uuid(message.id, field="id"),
        username=message.username,
        role=_ROLES.from_proto(message.role, "role"),
        status=_STATUSES.from_proto(message.status, "status"),
        created_at=time_from_proto(message.created_at, "created_at"),
        full_name=message.full_name,
        email=message.email,
        locked_until=time_from_proto(message.locked_until, "locked_until") if locked else None,
        last_login_at=time_from_proto(message.last_login_at, "last_login_at") if login else None,
        totp_enabled=message.totp_enabled,
    )


def session_to_proto(session: Session) -> users_pb2.Session:
    """Every field."""
    return users_pb2.Session(
        access_token=session.access_token,
        expires_in=duration_to_proto(session.expires_in),
        refresh_token=session.refresh_token,
        refresh_expires_in=duration_to_proto(session.refresh_expires_in),
        scope=session.scope,
    )


def session_from_proto(message: users_pb2.Session) -> Session:
    """Every field."""
    return Session(
        access_token=message.access_token,
        expires_in=duration_from_proto(message.expires_in, "expires_in"),
        refresh_token=message.refresh_token,
        refresh_expires_in=duration_from_proto(message.refresh_expires_in, "refresh_expires_in"),
        scope=message.scope,
    )


def self_to_proto(who: Self) -> users_pb2.GetSelfResponse:
    """Every field."""
    user = user_to_proto(who.user) if who.user else None
    return users_pb2.GetSelfResponse(subject=who.subject, scopes=who.scopes, **only_set(user=user))


def self_from_proto(message: users_pb2.GetSelfResponse) -> Self:
    """Every field."""
    user = user_from_proto(message.user) if message.HasField("user") else None
    return Self(message.subject, tuple(message.scopes), user)
