"""Tokens: the shapes of RFC 6749 and RFC 8414."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from services.model.identity import TokenState


class TokenAnswer(msgspec.Struct, frozen=True):
    """RFC 6749 section 5.1."""

    access_token: str
    token_type: str
    expires_in: Annotated[int, Meta(description="Seconds.")]
    scope: Annotated[str, Meta(description="Scopes granted, separated by spaces.")]
    issued_token_type: Annotated[str, Meta(description="Of a token exchange (RFC 8693).")] | UnsetType = UNSET


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
    revocation_endpoint: str
    revocation_endpoint_auth_methods_supported: list[str]
    introspection_endpoint: str
    introspection_endpoint_auth_methods_supported: list[str]
    service_documentation: str


class TokenIntrospection(msgspec.Struct, frozen=True):
    """RFC 7662 section 2.2. Where `active` is false, nothing else is told."""

    active: Annotated[bool, Meta(description="Services take it.")]
    token_type: Annotated[str, Meta(description="Bearer (an access token) or refresh_token.")] | UnsetType = UNSET
    scope: str | UnsetType = UNSET
    client_id: str | UnsetType = UNSET
    sub: str | UnsetType = UNSET
    aud: list[str] | UnsetType = UNSET
    iss: str | UnsetType = UNSET
    jti: str | UnsetType = UNSET
    iat: int | UnsetType = UNSET
    exp: int | UnsetType = UNSET
    subject_active: (
        Annotated[bool, Meta(description="Whoever is behind it is there and not disabled: he may still change things.")]
        | UnsetType
    ) = UNSET


def introspection_of(state: TokenState) -> TokenIntrospection:
    """What is told of a token."""
    if not state.active:
        return TokenIntrospection(active=False)
    return TokenIntrospection(
        active=True,
        token_type=state.token_type,
        scope=state.scope,
        client_id=state.client_id,
        sub=state.subject,
        aud=list(state.audiences) or UNSET,
        iss=state.issuer or UNSET,
        jti=state.token_id or UNSET,
        iat=int(state.issued_at.timestamp()) if state.issued_at else UNSET,
        exp=int(state.expires_at.timestamp()) if state.expires_at else UNSET,
        subject_active=state.subject_active,
    )
