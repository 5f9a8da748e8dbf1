"""Service accounts."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import grpc
from artstore.admin.v1 import accounts_pb2 as pb
from artstore.admin.v1 import accounts_pb2_grpc
from google.protobuf.duration_pb2 import Duration

from clients import wire
from clients.wire.scalars import duration_from_proto
from services.admin.usecases.change_account import DeleteAccount, RotateAccountSecret, UpdateAccount
from services.admin.usecases.create_account import CreateAccount
from services.admin.usecases.list_accounts import GetAccount, ListAccounts
from services.chassis.caller import caller
from services.model.identity import AccountChange
from services.model.ids import parse_uuid

Context = grpc.aio.ServicerContext[Any, Any]


class AccountReadServicer(accounts_pb2_grpc.AccountReadServiceServicer):
    """See accounts.proto."""

    def __init__(self, list_accounts: ListAccounts, get_account: GetAccount) -> None:
        self._list_accounts = list_accounts
        self._get_account = get_account

    async def ListAccounts(self, request: pb.ListAccountsRequest, context: Context) -> pb.ListAccountsResponse:
        status = wire.account_status_from_proto(request.status)
        page = await self._list_accounts(wire.page_request_from_proto(request.page), status=status)
        return pb.ListAccountsResponse(
            accounts=map(wire.account_to_proto, page.items), page=wire.page_info_to_proto(page)
        )

    async def GetAccount(self, request: pb.GetAccountRequest, context: Context) -> pb.GetAccountResponse:
        account = await self._get_account(parse_uuid(request.id, field="id"))
        return pb.GetAccountResponse(account=wire.account_to_proto(account))


class AccountControlServicer(accounts_pb2_grpc.AccountControlServiceServicer):
    """See accounts.proto."""

    def __init__(
        self,
        create_account: CreateAccount,
        update_account: UpdateAccount,
        delete_account: DeleteAccount,
        rotate_account_secret: RotateAccountSecret,
    ) -> None:
        self._create_account = create_account
        self._update_account = update_account
        self._delete_account = delete_account
        self._rotate_account_secret = rotate_account_secret

    async def CreateAccount(self, request: pb.CreateAccountRequest, context: Context) -> pb.CreateAccountResponse:
        lifetime = _optional(request.secret_lifetime, request.HasField("secret_lifetime"), "secret_ttl_days")
        made = await self._create_account(
            request.name, list(request.scopes), request.description, lifetime, by=caller().user
        )
        return pb.CreateAccountResponse(account=wire.account_to_proto(made.account), client_secret=made.client_secret)

    async def UpdateAccount(self, request: pb.UpdateAccountRequest, context: Context) -> pb.UpdateAccountResponse:
        change = AccountChange(
            description=request.description if request.HasField("description") else None,
            scopes=tuple(request.scopes.scopes) if request.HasField("scopes") else None,
            status=wire.account_status_from_proto(request.status),
        )
        account = await self._update_account(parse_uuid(request.id, field="id"), change, by=caller().user)
        return pb.UpdateAccountResponse(account=wire.account_to_proto(account))

    async def DeleteAccount(self, request: pb.DeleteAccountRequest, context: Context) -> pb.DeleteAccountResponse:
        await self._delete_account(parse_uuid(request.id, field="id"), by=caller().user)
        return pb.DeleteAccountResponse()

    async def RotateAccountSecret(
        self, request: pb.RotateAccountSecretRequest, context: Context
    ) -> pb.RotateAccountSecretResponse:
        lifetime = _optional(request.secret_lifetime, request.HasField("secret_lifetime"), "secret_ttl_days")
        overlap = _optional(request.overlap, request.HasField("overlap"), "overlap_seconds")
        made = await self._rotate_account_secret(
            parse_uuid(request.id, field="id"), lifetime, overlap, by=caller().user
        )
        return pb.RotateAccountSecretResponse(
            account=wire.account_to_proto(made.account), client_secret=made.client_secret
        )


def _optional(message: Duration, given: bool, field: str) -> timedelta | None:
    return duration_from_proto(message, field) if given else None
