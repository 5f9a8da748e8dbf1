"""People at Admin, and their sessions, as the edge sees them."""

from __future__ import annotations

from typing import Final

import grpc
from artstore.admin.v1 import users_pb2 as pb
from artstore.admin.v1 import users_pb2_grpc

from clients import metadata, wire
from clients.admin import UNARY
from clients.calls import ask
from clients.wire.scalars import only_set
from services.chassis.caller import Identity
from services.model.identity import Self, Session, User, UserChange, UserRole
from services.model.paging import Page, PageRequest

PASSWORDS: Final = 15.0
"""Seconds for a call in which a password is looked at: it may have to wait for others."""


class SessionsClient:
    """Logging in and out. Every method raises `ServiceUnavailable` when Admin is not reached."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._sessions = users_pb2_grpc.SessionServiceStub(channel)
        self._self = users_pb2_grpc.SelfServiceStub(channel)

    async def login(self, username: str, password: str, totp: str = "") -> Session:
        """`totp`: for who has a second factor. Raises `Unauthorized`, `AccountLocked`, `RateLimited`."""
        return await ask(
            self._sessions.Login,
            pb.LoginRequest(username=username, password=password, totp=totp),
            lambda answer: wire.session_from_proto(answer.session),
            seconds=PASSWORDS,
            metadata=metadata.bearer(None),
        )

    async def refresh(self, refresh_token: str) -> Session:
        """Spends the token. Raises `Unauthorized`; one that was spent before ends its session."""
        return await ask(
            self._sessions.Refresh,
            pb.RefreshRequest(refresh_token=refresh_token),
            lambda answer: wire.session_from_proto(answer.session),
            seconds=UNARY,
            metadata=metadata.bearer(None),
        )

    async def logout(self, refresh_token: str) -> None:
        """End the token's session; one that is not known is none of it."""
        await ask(
            self._sessions.Logout,
            pb.LogoutRequest(refresh_token=refresh_token),
            _nothing,
            seconds=UNARY,
            metadata=metadata.bearer(None),
        )

    async def get_self(self, *, on_behalf_of: Identity | None) -> Self:
        """Who is behind the token."""
        return await ask(
            self._self.GetSelf,
            pb.GetSelfRequest(),
            wire.self_from_proto,
            seconds=UNARY,
            metadata=metadata.bearer(on_behalf_of),
            repeatable=True,
        )

    async def change_password(self, current: str, new: str, *, on_behalf_of: Identity | None) -> None:
        """One's own. Raises `Unauthorized`, `AccountLocked`, `RateLimited`, `ValidationFailed`, `Forbidden`."""
        await ask(
            self._self.ChangePassword,
            pb.ChangePasswordRequest(current_password=current, new_password=new),
            _nothing,
            seconds=PASSWORDS,
            metadata=metadata.bearer(on_behalf_of),
        )


class UsersClient:
    """Administering people. `on_behalf_of` is the user behind the calls, whose token is passed on.

    Every method raises `ServiceUnavailable` when Admin is not reached, and what Admin refuses with: `NotFound`,
    `Forbidden` for what the user lacks himself, `Conflict` for the last administrator.
    """

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._read = users_pb2_grpc.UserReadServiceStub(channel)
        self._control = users_pb2_grpc.UserControlServiceStub(channel)

    async def list_users(self, page: PageRequest, *, on_behalf_of: Identity | None) -> Page[User]:
        """A page of users, by name."""
        return await ask(
            self._read.ListUsers,
            pb.ListUsersRequest(page=wire.page_request_to_proto(page)),
            lambda answer: wire.page_from_proto(list(map(wire.user_from_proto, answer.users)), answer.page),
            seconds=UNARY,
            metadata=metadata.bearer(on_behalf_of),
            repeatable=True,
        )

    async def get_user(self, user_id: str, *, on_behalf_of: Identity | None) -> User:
        """One user."""
        return await ask(
            self._read.GetUser,
            pb.GetUserRequest(id=user_id),
            lambda answer: wire.user_from_proto(answer.user),
            seconds=UNARY,
            metadata=metadata.bearer(on_behalf_of),
            repeatable=True,
        )

    async def create_user(
        self,
        username: str,
        password: str,
        role: UserRole,
        *,
        full_name: str = "",
        email: str = "",
        on_behalf_of: Identity | None,
    ) -> User:
        """A new user. Raises `Conflict` for a name that is taken."""
        request = pb.CreateUserRequest(
            username=username, password=password, role=wire.role_to_proto(role), full_name=full_name, email=email
        )
        return await ask(
            self._control.CreateUser,
            request,
            lambda answer: wire.user_from_proto(answer.user),
            seconds=PASSWORDS,
            metadata=metadata.bearer(on_behalf_of),
        )

    async def update_user(self, user_id: str, change: UserChange, *, on_behalf_of: Identity | None) -> User:
        """The user after the change."""
        request = pb.UpdateUserRequest(
            id=user_id,
            role=wire.role_to_proto(change.role),
            status=wire.user_status_to_proto(change.status),
            **only_set(full_name=change.full_name, email=change.email),
        )
        return await ask(
            self._control.UpdateUser,
            request,
            lambda answer: wire.user_from_proto(answer.user),
            seconds=UNARY,
            metadata=metadata.bearer(on_behalf_of),
        )

    async def delete_user(self, user_id: str, *, on_behalf_of: Identity | None) -> None:
        """His sessions end."""
        await ask(
            self._control.DeleteUser,
            pb.DeleteUserRequest(id=user_id),
            _nothing,
            seconds=UNARY,
            metadata=metadata.bearer(on_behalf_of),
        )

    async def reset_password(self, user_id: str, new: str, *, on_behalf_of: Identity | None) -> None:
        """His sessions end, and a lock does."""
        await ask(
            self._control.ResetPassword,
            pb.ResetPasswordRequest(id=user_id, new_password=new),
            _nothing,
            seconds=PASSWORDS,
            metadata=metadata.bearer(on_behalf_of),
        )

    async def reset_totp(self, user_id: str, *, on_behalf_of: Identity | None) -> User:
        """He has no second factor any more; his sessions end."""
        return await ask(
            self._control.ResetTotp,
            pb.ResetTotpRequest(id=user_id),
            lambda answer: wire.user_from_proto(answer.user),
            seconds=UNARY,
            metadata=metadata.bearer(on_behalf_of),
        )

    async def unlock_user(self, user_id: str, *, on_behalf_of: Identity | None) -> User:
        """He may try again."""
        return await ask(
            self._control.UnlockUser,
            pb.UnlockUserRequest(id=user_id),
            lambda answer: wire.user_from_proto(answer.user),
            seconds=UNARY,
            metadata=metadata.bearer(on_behalf_of),
        )


def _nothing(_: object) -> None:
    """There is nothing to tell."""
