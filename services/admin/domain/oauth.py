"""Token requests (RFC 6749) taken apart: what can be decided without looking up the client."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Never
from urllib.parse import unquote_to_bytes

from services.model.elements import element_of_audience
from services.model.ids import StorageId

CLIENT_CREDENTIALS = "client_credentials"
MAX_CLIENT_ID_LENGTH = 255
MAX_SECRET_LENGTH = 1024

_VISIBLE = re.compile(r"[\x20-\x7e]*")
"""VSCHAR, RFC 6749 appendix A: what client ids and secrets consist of."""
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+(?: [\x21\x23-\x5b\x5d-\x7e]+)*")
"""RFC 6749 section 3.3."""


class OAuthErrorCode(StrEnum):
    """RFC 6749 section 5.2, RFC 7009 section 2.2.1, RFC 8707 section 2."""

    INVALID_REQUEST = "invalid_request"
    INVALID_CLIENT = "invalid_client"
    INVALID_SCOPE = "invalid_scope"
    INVALID_TARGET = "invalid_target"
    UNAUTHORIZED_CLIENT = "unauthorized_client"
    UNSUPPORTED_GRANT_TYPE = "unsupported_grant_type"
    UNSUPPORTED_TOKEN_TYPE = "unsupported_token_type"  # noqa: S105 - a word of RFC 7009


class OAuthRefused(Exception):
    """A token request was refused; the answer says why. The description is ASCII without quotes and backslashes."""

    def __init__(self, error: OAuthErrorCode, description: str) -> None:
        super().__init__(f"{error}: {description}")
        self.error = error
        self.description = description

    @property
    def http_status(self) -> int:
        """401 where the client did not prove who it is, else 400."""
        return 401 if self.error is OAuthErrorCode.INVALID_CLIENT else 400


class ClientAuthMethod(StrEnum):
    """How a client proves who it is, RFC 6749 section 2.3.1."""

    BASIC = "client_secret_basic"
    POST = "client_secret_post"


@dataclass(frozen=True, slots=True)
class ClientCredentials:
    """Who the client says it is."""

    client_id: str
    secret: str = field(repr=False)
    method: ClientAuthMethod


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """A client's request, well formed but not yet granted."""

    credentials: ClientCredentials
    scope: str | None
    """As asked for; None: all that the client has."""
    element: StorageId | None = None
    """The one element that the token is for; None: the services together."""


def client_unknown() -> OAuthRefused:
    """The same for everything that may be wrong with a client or its secret."""
    return OAuthRefused(OAuthErrorCode.INVALID_CLIENT, "client authentication failed")


def target_unknown() -> OAuthRefused:
    """For a resource of which we know nothing (RFC 8707 section 2)."""
    return OAuthRefused(OAuthErrorCode.INVALID_TARGET, "no tokens are given out for this resource")


def read_token_request(form: Mapping[str, str], authorization: str, *, ours: Collection[str]) -> TokenRequest:
    """Return what is asked for. Raises `OAuthRefused`.

    `form`: the body's fields; an empty one counts as left out (RFC 6749 section 3.2). `authorization`: the header of
    that name, empty where there was none. `ours`: what the services together are called as a `resource`.
    """
    fields = {name: value for name, value in form.items() if value}
    _require_known_grant(fields.get("grant_type"))
    credentials = _credentials(fields, authorization)
    element = read_target(fields.get("resource"), ours)
    return TokenRequest(credentials, read_scope(fields), element)


def read_target(resource: str | None, ours: Collection[str]) -> StorageId | None:
    """The element that a `resource` names, None for the services together (RFC 8707). Raises `OAuthRefused`."""
    if resource is None or resource in ours:
        return None
    element = element_of_audience(resource)
    if element is None:
        raise target_unknown()
    return element


def read_scope(fields: Mapping[str, str]) -> str | None:
    """The scopes that are asked for; None: all that there are. Raises `OAuthRefused`."""
    scope = fields.get("scope")
    if scope is not None and not _SCOPE.fullmatch(scope):
        raise OAuthRefused(OAuthErrorCode.INVALID_SCOPE, "scopes are separated by single spaces")
    return scope


def _require_known_grant(grant_type: str | None) -> None:
    if grant_type is None:
        raise OAuthRefused(OAuthErrorCode.INVALID_REQUEST, "grant_type is missing")
    if grant_type != CLIENT_CREDENTIALS:
        raise OAuthRefused(
            OAuthErrorCode.UNSUPPORTED_GRANT_TYPE, f"grant_type is {CLIENT_CREDENTIALS} or token exchange"
        )


def _credentials(fields: Mapping[str, str], authorization: str) -> ClientCredentials:
    if not authorization:
        if "client_id" not in fields or "client_secret" not in fields:
            raise client_unknown()
        return _checked(fields["client_id"], fields["client_secret"], ClientAuthMethod.POST)
    if "client_secret" in fields:
        raise OAuthRefused(OAuthErrorCode.INVALID_REQUEST, "authenticate by the header or by the body, not by both")
    credentials = _basic(authorization)
    if fields.get("client_id", credentials.client_id) != credentials.client_id:
        raise OAuthRefused(OAuthErrorCode.INVALID_REQUEST, "client_id differs between header and body")
    return credentials


def _basic(authorization: str) -> ClientCredentials:
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        raise client_unknown()
    try:
        text = base64.b64decode(encoded.strip(), validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        _refuse()
    client_id, colon, secret = text.partition(":")
    if not colon:
        raise client_unknown()
    return _checked(_form_decoded(client_id), _form_decoded(secret), ClientAuthMethod.BASIC)


def _form_decoded(text: str) -> str:
    """RFC 6749 section 2.3.1: both parts are form-encoded before they are joined. What needs no encoding stays."""
    try:
        return unquote_to_bytes(text.replace("+", " ")).decode("utf-8")
    except UnicodeDecodeError:
        _refuse()


def _checked(client_id: str, secret: str, method: ClientAuthMethod) -> ClientCredentials:
    if not 0 < len(client_id) <= MAX_CLIENT_ID_LENGTH or not 0 < len(secret) <= MAX_SECRET_LENGTH:
        raise client_unknown()
    if not _VISIBLE.fullmatch(client_id) or not _VISIBLE.fullmatch(secret):
        raise client_unknown()
    return ClientCredentials(client_id, secret, method)


def _refuse() -> Never:
    raise client_unknown() from None
