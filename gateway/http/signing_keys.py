"""The keys that sign tokens, for administrators."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler

from gateway.http import answers
from gateway.http.bearer import Bearer
from gateway.http.resource import Resource
from gateway.http.schemas.keys import KeyList, key_of
from gateway.ports import SigningKeys

HttpRequest = Request[Any, Any, Any]


class SigningKeyRoutes(Resource):
    """`/auth/keys`."""

    def __init__(self, keys: SigningKeys, bearer: Bearer) -> None:
        self._keys = keys
        self._bearer = bearer

    def routes(self) -> Sequence[HTTPRouteHandler]:
        return [get("/auth/keys")(self.list), post("/auth/keys/rotate")(self.rotate)]

    async def list(self, request: HttpRequest) -> Response[bytes]:
        """Every key that is published, the oldest first."""
        identity = await self._bearer(request)
        keys = await self._keys.list_signing_keys(on_behalf_of=identity)
        return answers.json(KeyList([key_of(key) for key in keys]))

    async def rotate(self, request: HttpRequest) -> Response[bytes]:
        """202: the new key is published, and signs once every verifier has it."""
        identity = await self._bearer(request)
        return answers.json(key_of(await self._keys.rotate_signing_key(on_behalf_of=identity)), status=202)
