"""Tokens: the OAuth 2.0 token endpoint (RFC 6749), the keys (RFC 7517), and where both are (RFC 8414)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl

from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler

from clients.admin import IssuedToken, OAuthRefusal
from gateway.http import answers, body, errors
from gateway.http.resource import Resource
from gateway.http.schemas.auth import ServerMetadata, TokenAnswer, TokenError
from gateway.ports import Tokens
from services.chassis.tokens import KeySource
from services.model.errors import ArtStoreError, FileTooLarge
from services.model.identity import SCOPES

TOKEN_PATH = "/auth/token"  # noqa: S105 - an address
JWKS_PATH = "/auth/jwks"
FORM_LIMIT = 16 << 10
"""Bytes of a token request: several times the longest."""
_FORM = "application/x-www-form-urlencoded"
_NEVER_KEPT = {"cache-control": "no-store", "pragma": "no-cache"}
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
            grant_types_supported=["client_credentials"],
            token_endpoint_auth_methods_supported=["client_secret_basic", "client_secret_post"],
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
            form = _form(request.headers.get("content-type", ""), await body.whole(request, limit=FORM_LIMIT))
        except FileTooLarge:
            return _refused(400, "invalid_request", f"the form is larger than {FORM_LIMIT} bytes")
        except _BadForm as problem:
            return _refused(400, "invalid_request", str(problem))
        try:
            outcome = await self._tokens.issue_token(form, request.headers.get("authorization", ""))
        except ArtStoreError as error:
            return _failed(error)
        if isinstance(outcome, OAuthRefusal):
            return _refused(outcome.http_status, outcome.error, outcome.error_description)
        return answers.json(_answer(outcome), headers=_NEVER_KEPT)

    async def jwks(self) -> Response[bytes]:
        """Every key by which a valid token may be signed."""
        return answers.json(await self._keys.jwks(), headers=_KEYS_KEPT)

    async def metadata(self) -> Response[bytes]:
        """Authorization server metadata, RFC 8414."""
        return answers.json(self._metadata, headers=_KEYS_KEPT)


class _BadForm(Exception):
    """What is wrong with a token request."""


def _form(content_type: str, text: bytes) -> dict[str, str]:
    """The fields. Empty ones count as left out, none may be given twice (RFC 6749 section 3.2)."""
    if content_type.partition(";")[0].strip().lower() != _FORM:
        raise _BadForm(f"the body must be {_FORM}")
    try:
        pairs = parse_qsl(text.decode("utf-8"), errors="strict", max_num_fields=64)
    except ValueError:
        raise _BadForm("the body is not a form in UTF-8") from None
    form = dict(pairs)
    if len(form) != len(pairs):
        raise _BadForm("a parameter is given twice")
    return form


def _answer(token: IssuedToken) -> TokenAnswer:
    return TokenAnswer(token.access_token, token.token_type, int(token.expires_in.total_seconds()), token.scope)


def _refused(status: int, error: str, description: str, headers: dict[str, str] | None = None) -> Response[bytes]:
    # RFC 9110 section 15.5.2 wants the challenge with every 401, RFC 6749 at least where Basic was tried.
    challenge = {"www-authenticate": 'Basic realm="artstore", charset="UTF-8"'} if status == 401 else {}
    body_ = TokenError(error, description)
    return answers.json(body_, status=status, headers={**_NEVER_KEPT, **challenge, **(headers or {})})


def _failed(error: ArtStoreError) -> Response[bytes]:
    """Admin could not answer. RFC 6749 has no word for it at this endpoint; these are its words for another one."""
    errors.report(error)
    status = errors.status_of(error)
    if status < 500:
        return _refused(400, "invalid_request", error.message)
    wait = errors.retry_after(error)
    headers = {} if wait is None else {"retry-after": wait}
    if status in (503, 504):
        return _refused(503, "temporarily_unavailable", "tokens cannot be issued now; try again", headers)
    return _refused(500, "server_error", errors.FAULT, headers)
