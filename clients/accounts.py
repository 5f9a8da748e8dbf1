"""Service accounts at Admin, as the edge sees them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import grpc
from artstore.admin.v1 import accounts_pb2 as pb
from artstore.admin.v1 import accounts_pb2_grpc

from clients import metadata, wire
from clients.admin import UNARY
from clients.calls import ask
from clients.wire.scalars import duration_to_proto, only_set
from services.chassis.caller import Identity
from services.model.identity import Account, AccountChange, AccountSecret, AccountStatus
from services.model.paging import Page, PageRequest


class AccountsClient:
    """Calls about service accounts. `on_behalf_of` is the user behind them, whose token is passed on.

    Every method raises `ServiceUnavailable` when Admin is not reached, and what Admin refuses with: `NotFound`,
    `Forbidden` for what the user lacks himself, `Conflict` for what the system account must keep.
    """

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._read = accounts_pb2_grpc.AccountReadServiceStub(channel)
        self._control = accounts_pb2_grpc.AccountControlServiceStub(channel)

    async def list_accounts(
        self, page: PageRequest, *, status: AccountStatus | None = None, on_behalf_of: Identity | None
    ) -> Page[Account]:
        """A page of accounts, by name; None: of any status."""
        return await ask(
            self._read.ListAccounts,
            pb.ListAccountsRequest(page=wire.page_request_to_proto(page), status=wire.account_status_to_proto(status)),
            lambda answer: wire.page_from_proto(list(map(wire.account_from_proto, answer.accounts)), answer.page),
            seconds=UNARY,
            metadata=metadata.bearer(on_behalf_of),
            repeatable=True,
        )

    async def get_account(self, account_id: str, *, on_behalf_of: Identity | None) -> Account:
        """One account."""
        return await ask(
            self._read.GetAccount,
            pb.GetAccountRequest(id=account_id),
            lambda answer: wire.account_from_proto(answer.account),
            seconds=UNARY,
            metadata=metadata.bearer(on_behalf_of),
            repeatable=True,
        )

    async def create_account(
        self,
        name: str,
        scopes: Sequence[str],
        *,
        description: str = "",
        lifetime: timedelta | None = None,
        on_behalf_of: Identity | None,
    ) -> AccountSecret:
        """A new account. `lifetime` of its secret: 0 for ever, None as the installation has it."""
        optional = only_set(secret_lifetime=duration_to_proto(lifetime))
        return await ask(
            self._control.CreateAccount,
            pb.CreateAccountRequest(name=name, scopes=scopes, description=description, **optional),
            _secret,
            seconds=UNARY,
            metadata=metadata.bearer(on_behalf_of),
        )

    async def update_account(self, account_id: str, change: AccountChange, *, on_behalf_of: Identity | None) -> Account:
        """The account after the change."""
        scopes = None if change.scopes is None else pb.ScopeList(scopes=change.scopes)
        request = pb.UpdateAccountRequest(
            id=account_id,
            status=wire.account_status_to_proto(change.status),
            **only_set(description=change.description, scopes=scopes),
        )
        return await ask(
            self._control.UpdateAccount,
            request,
            lambda answer: wire.account_from_proto(answer.account),
            seconds=UNARY,
            metadata=metadata.bearer(on_behalf_of),
        )

    async def delete_account(self, account_id: str, *, on_behalf_of: Identity | None) -> None:
        """It obtains no token any more."""
        await ask(
            self._control.DeleteAccount,
            pb.DeleteAccountRequest(id=account_id),
            _nothing,
            seconds=UNARY,
            metadata=metadata.bearer(on_behalf_of),
        )

    async def rotate_account_secret(
        self,
        account_id: str,
        *,
        lifetime: timedelta | None = None,
        overlap: timedelta | None = None,
        on_behalf_of: Identity | None,
    ) -> AccountSecret:
        """The account with a new secret. `overlap`: how long the present one stays valid beside it.

        None: as the installation has it.
        """
        optional = only_set(secret_lifetime=duration_to_proto(lifetime), overlap=duration_to_proto(overlap))
        return await ask(
            self._control.RotateAccountSecret,
            pb.RotateAccountSecretRequest(id=account_id, **optional),
            _secret,
            seconds=UNARY,
            metadata=metadata.bearer(on_behalf_of),
        )


def _nothing(_: pb.DeleteAccountResponse) -> None:
    """There is nothing to tell."""


def _secret(answer: Any) -> AccountSecret:  # of creation and of rotation, which look the same
    return AccountSecret(wire.account_from_proto(answer.account), answer.client_secret)
