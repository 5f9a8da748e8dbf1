"""Tokens after they were given out: revocation (RFC 7009), introspection (RFC 7662)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from litestar import Request, Response, post
from litestar.handlers import HTTPRouteHandler

from gateway.http import answers, oauth
from gateway.http.auth import INTROSPECT_PATH, REVOKE_PATH
from gateway.http.bearer import Bearer
from gateway.http.resource import Resource
from gateway.http.schemas.auth import introspection_of
from gateway.ports import TokenStates
from services.model.errors import ArtStoreError

HttpRequest = Request[Any, Any, Any]


class TokenRoutes(Resource):
    """`/auth/revoke` and `/auth/introspect`; a form that is wrong is refused in the words of RFC 6749."""

    def __init__(self, tokens: TokenStates, bearer: Bearer) -> None:
        self._tokens = tokens
        self._bearer = bearer

    def routes(self) -> Sequence[HTTPRouteHandler]:
        return [post(REVOKE_PATH)(self.revoke), post(INTROSPECT_PATH)(self.introspect)]

    async def revoke(self, request: HttpRequest) -> Response[bytes]:
        """200 without a body, also for a token that is not known."""
        try:
            refusal = await self._tokens.revoke_token(await oauth.form(request))
        except oauth.BadForm as problem:
            return oauth.refused(400, problem.error, str(problem))
        except ArtStoreError as error:
            return oauth.failed(error)
        if refusal is not None:
            return oauth.refused(refusal.http_status, refusal.error, refusal.error_description)
        return Response(b"", status_code=200, headers=oauth.NEVER_KEPT)

    async def introspect(self, request: HttpRequest) -> Response[bytes]:
        """What is known of a token."""
        identity = await self._bearer(request)
        try:
            token = (await oauth.form(request)).get("token")
        except oauth.BadForm as problem:
            return oauth.refused(400, problem.error, str(problem))
        if not token:
            return oauth.refused(400, "invalid_request", "token is missing")
        state = await self._tokens.introspect_token(token, on_behalf_of=identity)
        return answers.json(introspection_of(state), headers=oauth.NEVER_KEPT)
