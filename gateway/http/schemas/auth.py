"""Tokens: the shapes of RFC 6749 and RFC 8414."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta


class TokenAnswer(msgspec.Struct, frozen=True):
    """RFC 6749 section 5.1."""

    access_token: str
    token_type: str
    expires_in: Annotated[int, Meta(description="Seconds.")]
    scope: Annotated[str, Meta(description="Scopes granted, separated by spaces.")]


class TokenError(msgspec.Struct, frozen=True):
    """RFC 6749 section 5.2."""

    error: Annotated[str, Meta(description="invalid_request, invalid_client, invalid_scope …")]
    error_description: str


class ServerMetadata(msgspec.Struct, frozen=True):
    """RFC 8414 section 2."""

    issuer: str
    token_endpoint: str
    jwks_uri: str
    scopes_supported: list[str]
    response_types_supported: list[str]
    grant_types_supported: list[str]
    token_endpoint_auth_methods_supported: list[str]
    service_documentation: str
