"""People and their sessions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import grpc
from artstore.admin.v1 import totp_pb2 as totp
from artstore.admin.v1 import totp_pb2_grpc, users_pb2_grpc
from artstore.admin.v1 import users_pb2 as pb

from clients import wire
from services.admin.usecases.own_account import ChangePassword, GetSelf
from services.admin.usecases.second_factor import (
    ConfirmTotp,
    DisableTotp,
    EnrolTotp,
    ReplaceRecoveryCodes,
    ResetTotp,
)
from services.admin.usecases.sessions import Login, Logout, Refresh
from services.admin.usecases.users import (
    CreateUser,
    DeleteUser,
    GetUser,
    ListUsers,
    ResetPassword,
    UnlockUser,
    UpdateUser,
)
from services.chassis.caller import caller
from services.model.identity import UserChange
from services.model.ids import parse_uuid

Context = grpc.aio.ServicerContext[Any, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class TotpUseCases:
    """All that can be done with second factors."""

    enrol: EnrolTotp
    confirm: ConfirmTotp
    replace_codes: ReplaceRecoveryCodes
    disable: DisableTotp
    reset: ResetTotp


@dataclass(frozen=True, slots=True, kw_only=True)
class UserUseCases:
    """All that people can do, and that can be done with them."""

    login: Login
    refresh: Refresh
    logout: Logout
    get_self: GetSelf
    change_password: ChangePassword
    list_users: ListUsers
    get_user: GetUser
    create_user: CreateUser
    update_user: UpdateUser
    delete_user: DeleteUser
    reset_password: ResetPassword
    unlock_user: UnlockUser
    totp: TotpUseCases


def add_users_to(server: grpc.aio.Server, can: UserUseCases) -> None:
    """Serve everything of users.proto."""
    users_pb2_grpc.add_SessionServiceServicer_to_server(SessionServicer(can), server)
    users_pb2_grpc.add_SelfServiceServicer_to_server(SelfServicer(can), server)
    users_pb2_grpc.add_UserReadServiceServicer_to_server(UserReadServicer(can), server)
    users_pb2_grpc.add_UserControlServiceServicer_to_server(UserControlServicer(can), server)
    totp_pb2_grpc.add_TotpServiceServicer_to_server(TotpServicer(can.totp), server)


class TotpServicer(totp_pb2_grpc.TotpServiceServicer):
    """See totp.proto."""

    def __init__(self, can: TotpUseCases) -> None:
        self._can = can

    async def EnrolTotp(self, request: totp.EnrolTotpRequest, context: Context) -> totp.EnrolTotpResponse:
        enrolment = await self._can.enrol(request.current_password, by=caller().user)
        return totp.EnrolTotpResponse(secret=enrolment.secret, uri=enrolment.uri)

    async def ConfirmTotp(self, request: totp.ConfirmTotpRequest, context: Context) -> totp.ConfirmTotpResponse:
        return totp.ConfirmTotpResponse(recovery_codes=await self._can.confirm(request.totp, by=caller().user))

    async def ReplaceRecoveryCodes(
        self, request: totp.ReplaceRecoveryCodesRequest, context: Context
    ) -> totp.ReplaceRecoveryCodesResponse:
        codes = await self._can.replace_codes(request.current_password, request.totp, by=caller().user)
        return totp.ReplaceRecoveryCodesResponse(recovery_codes=codes)

    async def DisableTotp(self, request: totp.DisableTotpRequest, context: Context) -> totp.DisableTotpResponse:
        await self._can.disable(request.current_password, request.totp, by=caller().user)
        return totp.DisableTotpResponse()


class SessionServicer(users_pb2_grpc.SessionServiceServicer):
    """See users.proto."""

    def __init__(self, can: UserUseCases) -> None:
        self._can = can

    async def Login(self, request: pb.LoginRequest, context: Context) -> pb.LoginResponse:
        session = await self._can.login(request.username, request.password, request.totp)
        return pb.LoginResponse(session=wire.session_to_proto(session))

    async def Refresh(self, request: pb.RefreshRequest, context: Context) -> pb.RefreshResponse:
        session = await self._can.refresh(request.refresh_token)
        return pb.RefreshResponse(session=wire.session_to_proto(session))

    async def Logout(self, request: pb.LogoutRequest, context: Context) -> pb.LogoutResponse:
        await self._can.logout(request.refresh_token)
        return pb.LogoutResponse()


class SelfServicer(users_pb2_grpc.SelfServiceServicer):
    """See users.proto."""

    def __init__(self, can: UserUseCases) -> None:
        self._can = can

    async def GetSelf(self, request: pb.GetSelfRequest, context: Context) -> pb.GetSelfResponse:
        return wire.self_to_proto(await self._can.get_self(caller().user))

    async def ChangePassword(self, request: pb.ChangePasswordRequest, context: Context) -> pb.ChangePasswordResponse:
        await self._can.change_password(request.current_password, request.new_password, by=caller().user)
        return pb.ChangePasswordResponse()


class UserReadServicer(users_pb2_grpc.UserReadServiceServicer):
    """See users.proto."""

    def __init__(self, can: UserUseCases) -> None:
        self._can = can

    async def ListUsers(self, request: pb.ListUsersRequest, context: Context) -> pb.ListUsersResponse:
        page = await self._can.list_users(wire.page_request_from_proto(request.page))
        return pb.ListUsersResponse(users=map(wire.user_to_proto, page.items), page=wire.page_info_to_proto(page))

    async def GetUser(self, request: pb.GetUserRequest, context: Context) -> pb.GetUserResponse:
        user = await self._can.get_user(parse_uuid(request.id, field="id"))
        return pb.GetUserResponse(user=wire.user_to_proto(user))


class UserControlServicer(users_pb2_grpc.UserControlServiceServicer):
    """See users.proto."""

    def __init__(self, can: UserUseCases) -> None:
        self._can = can

    async def CreateUser(self, request: pb.CreateUserRequest, context: Context) -> pb.CreateUserResponse:
        user = await self._can.create_user(
            request.username,
            request.password,
            wire.role_from_proto(request.role),
            request.full_name,
            request.email,
            by=caller().user,
        )
        return pb.CreateUserResponse(user=wire.user_to_proto(user))

    async def UpdateUser(self, request: pb.UpdateUserRequest, context: Context) -> pb.UpdateUserResponse:
        change = UserChange(
            role=wire.optional_role_from_proto(request.role),
            status=wire.user_status_from_proto(request.status),
            full_name=request.full_name if request.HasField("full_name") else None,
            email=request.email if request.HasField("email") else None,
        )
        user = await self._can.update_user(parse_uuid(request.id, field="id"), change, by=caller().user)
        return pb.UpdateUserResponse(user=wire.user_to_proto(user))

    async def DeleteUser(self, request: pb.DeleteUserRequest, context: Context) -> pb.DeleteUserResponse:
        await self._can.delete_user(parse_uuid(request.id, field="id"), by=caller().user)
        return pb.DeleteUserResponse()

    async def ResetPassword(self, request: pb.ResetPasswordRequest, context: Context) -> pb.ResetPasswordResponse:
        await self._can.reset_password(parse_uuid(request.id, field="id"), request.new_password, by=caller().user)
        return pb.ResetPasswordResponse()

    async def UnlockUser(self, request: pb.UnlockUserRequest, context: Context) -> pb.UnlockUserResponse:
        user = await self._can.unlock_user(parse_uuid(request.id, field="id"), by=caller().user)
        return pb.UnlockUserResponse(user=wire.user_to_proto(user))

    async def ResetTotp(self, request: pb.ResetTotpRequest, context: Context) -> pb.ResetTotpResponse:
        user = await self._can.totp.reset(parse_uuid(request.id, field="id"), by=caller().user)
        return pb.ResetTotpResponse(user=wire.user_to_proto(user))
