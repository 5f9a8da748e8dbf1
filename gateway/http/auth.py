"""Tokens: the OAuth 2.0 token endpoint (RFC 6749), the keys (RFC 7517), and where both are (RFC 8414)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler
from msgspec import UNSET

from clients.admin import IssuedToken, OAuthRefusal
from gateway.http import answers, oauth
from gateway.http.openapi.auth import TOKEN_EXCHANGE
from gateway.http.resource import Resource
from gateway.http.schemas.auth import ServerMetadata, TokenAnswer
from gateway.ports import Tokens
from services.chassis.tokens import KeySource
from services.model.errors import ArtStoreError
from services.model.identity import SCOPES

TOKEN_PATH = "/auth/token"  # noqa: S105 - an address
JWKS_PATH = "/auth/jwks"
REVOKE_PATH = "/auth/revoke"
INTROSPECT_PATH = "/auth/introspect"
_KEYS_KEPT = {"cache-control": "public, max-age=30"}

HttpRequest = Request[Any, Any, Any]


class Auth(Resource):
    """`/auth/*` and the well-known addresses."""

    def __init__(self, tokens: Tokens, keys: KeySource, *, issuer: str, api_url: str) -> None:
        """`api_url`: where `/auth/token` begins, as clients see it."""
        self._tokens = tokens
        self._keys = keys
        self._metadata = ServerMetadata(
            issuer=issuer,
            token_endpoint=api_url + TOKEN_PATH,
            jwks_uri=api_url + JWKS_PATH,
            scopes_supported=list(SCOPES),
            response_types_supported=[],
            grant_types_supported=["client_credentials", TOKEN_EXCHANGE],
            token_endpoint_auth_methods_supported=["client_secret_basic", "client_secret_post"],
            revocation_endpoint=api_url + REVOKE_PATH,
            revocation_endpoint_auth_methods_supported=["none"],
            introspection_endpoint=api_url + INTROSPECT_PATH,
            introspection_endpoint_auth_methods_supported=["Bearer"],
            service_documentation=f"{api_url}/docs",
        )

    def routes(self) -> Sequence[HTTPRouteHandler]:
        """Under the base of the API."""
        return [post(TOKEN_PATH)(self.token), get(JWKS_PATH)(self.jwks)]

    def well_known(self) -> Sequence[HTTPRouteHandler]:
        """At the root (RFC 8615)."""
        return [
            get("/.well-known/jwks.json")(self.jwks),
            get("/.well-known/oauth-authorization-server")(self.metadata),
        ]

    async def token(self, request: HttpRequest) -> Response[bytes]:
        """The token endpoint; its errors have the form of RFC 6749 section 5.2."""
        try:
            form = await oauth.form(request)
            outcome = await self._tokens.issue_token(form, request.headers.get("authorization", ""))
        except oauth.BadForm as problem:
            return oauth.refused(400, problem.error, str(problem))
        except ArtStoreError as error:
            return oauth.failed(error)
        if isinstance(outcome, OAuthRefusal):
            return oauth.refused(outcome.http_status, outcome.error, outcome.error_description)
        return answers.json(_answer(outcome), headers=oauth.NEVER_KEPT)

    async def jwks(self) -> Response[bytes]:
        """Every key by which a valid token may be signed."""
        return answers.json(await self._keys.jwks(), headers=_KEYS_KEPT)

    async def metadata(self) -> Response[bytes]:
        """Authorization server metadata, RFC 8414."""
        return answers.json(self._metadata, headers=_KEYS_KEPT)


def _answer(token: IssuedToken) -> TokenAnswer:
    return TokenAnswer(
        token.access_token,
        token.token_type,
        int(token.expires_in.total_seconds()),
        token.scope,
        token.issued_token_type or UNSET,
    )
