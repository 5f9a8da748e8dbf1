"""Service accounts, for administrators."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from litestar import Request, Response, delete, get, patch, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from gateway.http import answers, decoding
from gateway.http.bearer import Bearer
from gateway.http.resource import Resource
from gateway.http.schemas.accounts import (
    NewServiceAccount,
    SecretRotation,
    ServiceAccountsQuery,
    ServiceAccountUpdate,
    account_of,
    account_page,
    account_with_secret,
)
from gateway.ports import Accounts
from services.model.ids import parse_uuid

HttpRequest = Request[Any, Any, Any]


class ServiceAccounts(Resource):
    """`/service-accounts`."""

    def __init__(self, accounts: Accounts, bearer: Bearer, *, base: str) -> None:
        """`base`: what addresses of the API begin with."""
        self._accounts = accounts
        self._bearer = bearer
        self._base = base

    def routes(self) -> Sequence[HTTPRouteHandler]:
        one = "/service-accounts/{account_id:str}"
        return [
            get("/service-accounts")(self.list),
            post("/service-accounts")(self.create),
            get(one)(self.show),
            patch(one)(self.update),
            delete(one)(self.delete),
            post(f"{one}/rotate-secret")(self.rotate_secret),
        ]

    async def list(self, request: HttpRequest) -> Response[bytes]:
        """A page of accounts, by name."""
        identity = await self._bearer(request)
        query = decoding.query(request, ServiceAccountsQuery)
        asked = query.page()
        page = await self._accounts.list_accounts(asked, status=query.status, on_behalf_of=identity)
        return answers.json(account_page(page, asked))

    async def create(self, request: HttpRequest) -> Response[bytes]:
        """A new account; its secret is shown this once."""
        identity = await self._bearer(request)
        asked = await decoding.json_body(request, NewServiceAccount)
        made = await self._accounts.create_account(
            asked.name, asked.scopes, description=asked.description, lifetime=asked.lifetime, on_behalf_of=identity
        )
        headers = {"location": f"{self._base}/service-accounts/{made.account.id}"}
        return answers.json(account_with_secret(made), status=201, headers=headers)

    async def show(self, request: HttpRequest, account_id: FromPath[str]) -> Response[bytes]:
        """One account."""
        identity = await self._bearer(request)
        account = await self._accounts.get_account(_id(account_id), on_behalf_of=identity)
        return answers.json(account_of(account))

    async def update(self, request: HttpRequest, account_id: FromPath[str]) -> Response[bytes]:
        """Description, scopes, status."""
        identity = await self._bearer(request)
        asked = await decoding.json_body(request, ServiceAccountUpdate)
        account = await self._accounts.update_account(_id(account_id), asked.change(), on_behalf_of=identity)
        return answers.json(account_of(account))

    async def delete(self, request: HttpRequest, account_id: FromPath[str]) -> Response[None]:
        """204; the second time 404."""
        identity = await self._bearer(request)
        await self._accounts.delete_account(_id(account_id), on_behalf_of=identity)
        return answers.nothing()

    async def rotate_secret(self, request: HttpRequest, account_id: FromPath[str]) -> Response[bytes]:
        """A new secret, shown this once; the body may be left out."""
        identity = await self._bearer(request)
        asked = await decoding.optional_json_body(request, SecretRotation)
        made = await self._accounts.rotate_account_secret(
            _id(account_id), lifetime=asked.lifetime, overlap=asked.overlap, on_behalf_of=identity
        )
        return answers.json(account_with_secret(made))


def _id(text: str) -> str:
    return parse_uuid(text, field="account_id")
