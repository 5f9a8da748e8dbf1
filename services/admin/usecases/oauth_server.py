"""Authlib's OAuth 2.0 core, without a framework around it: it decides on a client that was looked up beforehand."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from authlib.oauth2.rfc6749 import (
    AuthorizationServer,
    ClientCredentialsGrant,
    ClientMixin,
    InvalidScopeError,
    OAuth2Request,
)
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload
from authlib.oauth2.rfc6750 import BearerTokenGenerator

from services.admin.domain.accounts import ServiceAccount
from services.admin.domain.oauth import (
    CLIENT_CREDENTIALS,
    ClientAuthMethod,
    ClientCredentials,
    OAuthErrorCode,
    OAuthRefused,
    TokenRequest,
    client_unknown,
)
from services.model.identity import in_order

# Authlib logs the tokens that it issues, at level DEBUG.
logging.getLogger("authlib").setLevel(logging.INFO)

Sign = Callable[[ServiceAccount, str], str]
"""Makes the access token of an account with a scope."""


@dataclass(frozen=True, slots=True)
class Granted:
    """A token that was issued."""

    access_token: str = field(repr=False)
    scope: str
    expires_in: timedelta
    issued_token_type: str = ""
    """Of an exchange (RFC 8693 section 2.2.1)."""


def grant(request: TokenRequest, account: ServiceAccount, *, now: datetime, lifetime: timedelta, sign: Sign) -> Granted:
    """Return the token, or raise `OAuthRefused` (RFC 6749 sections 4.4, 5). `account`: of the request's client id."""
    server = _Server(request, _Client(account, now))
    seconds = int(lifetime.total_seconds())
    server.register_token_generator(
        "default",
        BearerTokenGenerator(
            access_token_generator=lambda client, scope, **_: sign(client.account, scope),
            expires_generator=lambda *_: seconds,
        ),
    )
    status, body = server.create_token_response(request)
    if status == 200:
        return Granted(body["access_token"], body["scope"], lifetime)
    raise _refused(dict(body))


class _Client(ClientMixin):  # type: ignore[misc]  # Authlib publishes no types
    """A service account as Authlib asks about it."""

    def __init__(self, account: ServiceAccount, now: datetime) -> None:
        self.account = account
        self._now = now

    def get_client_id(self) -> str:
        return self.account.client_id

    def check_client_secret(self, client_secret: str) -> bool:
        return self.account.accepts(client_secret, self._now)

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return endpoint == "token" and method in list(ClientAuthMethod)

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type == CLIENT_CREDENTIALS

    def get_allowed_scope(self, scope: str | None) -> str | None:
        """What is granted: all that the account has, or exactly what is asked for; None refuses."""
        wanted = frozenset(scope.split()) if scope else frozenset(self.account.scopes)
        if not wanted <= set(self.account.scopes):
            return None
        return " ".join(in_order(wanted))


class _ClientCredentialsGrant(ClientCredentialsGrant):  # type: ignore[misc]  # as above
    TOKEN_ENDPOINT_AUTH_METHODS = tuple(method.value for method in ClientAuthMethod)

    def validate_requested_scope(self) -> None:
        if self.request.client.get_allowed_scope(self.request.payload.scope) is None:
            raise InvalidScopeError


class _Request(OAuth2Request):  # type: ignore[misc]  # as above
    """An OAuth 2.0 request of one client, whose credentials have been taken apart already."""

    def __init__(self, request: TokenRequest) -> None:
        # The door in front speaks nothing but HTTPS, which is what Authlib wants to hear.
        super().__init__("POST", "https://token/")
        self.credentials: ClientCredentials = request.credentials
        fields = {"grant_type": CLIENT_CREDENTIALS, "client_id": request.credentials.client_id}
        self.payload = BasicOAuth2Payload(fields | ({"scope": request.scope} if request.scope else {}))


class _Server(AuthorizationServer):  # type: ignore[misc]  # as above
    """An authorization server for the one request of the one client that may be asking."""

    def __init__(self, request: TokenRequest, client: _Client) -> None:
        super().__init__()
        self._asking = request.credentials.client_id
        self._client = client
        self.register_grant(_ClientCredentialsGrant)
        for method in ClientAuthMethod:
            self.register_client_auth_method(method.value, _authentication(method))

    def query_client(self, client_id: str) -> _Client | None:
        return self._client if client_id == self._asking else None

    def save_token(self, *_: Any) -> None:
        """Access tokens are not kept: they are verified by their signature."""

    def send_signal(self, name: str, *args: Any, **kwargs: Any) -> None:
        """Nobody listens."""

    def create_oauth2_request(self, request: TokenRequest) -> _Request:
        return _Request(request)

    def handle_response(self, status: int, body: Any, _headers: Any) -> tuple[int, Any]:
        return status, body


def _authentication(method: ClientAuthMethod) -> Callable[[Callable[[str], _Client | None], _Request], _Client | None]:
    """Our reading of the credentials in place of Authlib's, which fails on some malformed headers."""

    def authenticate(query_client: Callable[[str], _Client | None], request: _Request) -> _Client | None:
        if request.credentials.method is not method:
            return None
        client = query_client(request.credentials.client_id)
        return client if client and client.check_client_secret(request.credentials.secret) else None

    return authenticate


def _refused(body: dict[str, str]) -> OAuthRefused:
    """In our words: Authlib's tell which methods were tried."""
    error = OAuthErrorCode(body["error"])
    if error is OAuthErrorCode.INVALID_CLIENT:
        return client_unknown()
    if error is OAuthErrorCode.INVALID_SCOPE:
        return OAuthRefused(error, "the client does not have every scope that is asked for")
    return OAuthRefused(error, "the client may not ask for this")
