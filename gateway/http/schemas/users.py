"""People who administer, and their sessions, in requests and answers."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from gateway.http.schemas.search import Cursor, Limit, Offset
from services.model.identity import Self, Session, User, UserChange, UserRole, UserStatus
from services.model.paging import DEFAULT_LIMIT, Page, PageRequest

Password = Annotated[str, Meta(max_length=1024, extra_json_schema={"format": "password"})]
NewPassword = Annotated[
    str,
    Meta(
        max_length=1024,
        description="12 to 256 characters; not a common password, not containing the username.",
        extra_json_schema={"format": "password"},
    ),
]
RefreshToken = Annotated[str, Meta(max_length=1024, description="Opaque; good for one use.")]
Totp = Annotated[
    str,
    Meta(max_length=64, description="The code that the device shows, or a recovery code; for who has a second factor."),
]
Text = Annotated[str, Meta(max_length=200)]


class LoginRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who logs in."""

    username: Annotated[str, Meta(max_length=256)]
    password: Password
    totp: Totp = ""

    def __repr__(self) -> str:
        return f"LoginRequest({self.username!r})"


class RefreshRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A session to go on with, or to end."""

    refresh_token: RefreshToken

    def __repr__(self) -> str:
        return "RefreshRequest()"


class LoginAnswer(msgspec.Struct, frozen=True):
    """The tokens of a session."""

    access_token: str
    refresh_token: RefreshToken
    token_type: str
    expires_in: Annotated[int, Meta(description="Seconds for which the access token is valid.")]
    refresh_expires_in: Annotated[int, Meta(description="Seconds for which the refresh token is.")]
    scope: Annotated[str, Meta(description="Scopes granted, separated by spaces.")]


class PasswordChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One's own new password."""

    current_password: Password
    new_password: NewPassword

    def __repr__(self) -> str:
        return "PasswordChange()"


class PasswordReset(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody's new password."""

    new_password: NewPassword

    def __repr__(self) -> str:
        return "PasswordReset()"


class AdminUser(msgspec.Struct, frozen=True):
    """A person who administers."""

    id: str
    username: Annotated[str, Meta(description="Also the subject of his tokens.")]
    role: Annotated[UserRole, Meta(description="admin: everything; readonly: every read.")]
    status: Annotated[UserStatus, Meta(description="locked: not for a while, after too many failed logins.")]
    locked_until: datetime | None
    full_name: str
    email: str
    created_at: datetime
    last_login_at: datetime | None
    totp_enabled: bool


class Me(msgspec.Struct, frozen=True):
    """Who is behind a token."""

    subject: str
    scopes: list[str]
    user: Annotated[AdminUser | None, Meta(description="null: a service account.")]


class AdminUserPage(msgspec.Struct, frozen=True):
    """A part of the listing."""

    items: list[AdminUser]
    total: int
    limit: int
    offset: int
    has_more: bool
    next_cursor: Annotated[str | None, Meta(description="For the next page; null on the last.")]


class AdminUsersQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which part of the listing."""

    limit: Limit = DEFAULT_LIMIT
    offset: Offset = 0
    cursor: Cursor = ""

    def page(self) -> PageRequest:
        """Raises `ValidationFailed` naming every field that is wrong."""
        page = PageRequest(limit=self.limit, offset=self.offset, cursor=self.cursor)
        page.check()
        return page


class NewAdminUser(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A user to make."""

    username: Annotated[str, Meta(description='Letters a-z, digits, . _ @ -; not beginning with "sa_".', max_length=64)]
    password: NewPassword
    role: UserRole
    full_name: Text = ""
    email: Text = ""

    def __repr__(self) -> str:
        return f"NewAdminUser({self.username!r})"


class AdminUserUpdate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to change; what is left out stays."""

    role: UserRole | UnsetType = UNSET
    status: Annotated[UserStatus, Meta(description="active or disabled.")] | UnsetType = UNSET
    full_name: Text | UnsetType = UNSET
    email: Text | UnsetType = UNSET

    def change(self) -> UserChange:
        """As the model has it."""
        return UserChange(
            role=None if isinstance(self.role, UnsetType) else self.role,
            status=None if isinstance(self.status, UnsetType) else self.status,
            full_name=None if isinstance(self.full_name, UnsetType) else self.full_name,
            email=None if isinstance(self.email, UnsetType) else self.email,
        )


def user_of(user: User) -> AdminUser:
    """What is shown of a user."""
    return AdminUser(**{name: getattr(user, name) for name in AdminUser.__struct_fields__})


def user_page(page: Page[User], asked: PageRequest) -> AdminUserPage:
    """A page of users."""
    return AdminUserPage(
        items=[user_of(user) for user in page.items],
        total=page.total,
        limit=asked.limit,
        offset=asked.offset,
        has_more=page.has_more,
        next_cursor=page.next_cursor or None,
    )


def me_of(who: Self) -> Me:
    """What somebody sees of himself."""
    return Me(who.subject, list(who.scopes), user_of(who.user) if who.user else None)


def session_of(session: Session) -> LoginAnswer:
    """The answer to a login."""
    return LoginAnswer(
        access_token=session.access_token,
        refresh_token=session.refresh_token,
        token_type="Bearer",  # noqa: S106 - RFC 6750's name for the kind of token
        expires_in=int(session.expires_in.total_seconds()),
        refresh_expires_in=int(session.refresh_expires_in.total_seconds()),
        scope=session.scope,
    )
