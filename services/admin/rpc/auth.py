"""Tokens and keys."""

from __future__ import annotations

import json
from typing import Any

import grpc
from artstore.admin.v1 import auth_pb2, auth_pb2_grpc
from google.protobuf.duration_pb2 import Duration

from clients import wire
from services.admin.domain.oauth import OAuthRefused
from services.admin.usecases.exchange_token import TokenEndpoint
from services.admin.usecases.key_ring import KeyRing
from services.admin.usecases.oauth_server import Granted
from services.admin.usecases.token_state import IntrospectToken, RevokeToken

Context = grpc.aio.ServicerContext[Any, Any]


class AuthServicer(auth_pb2_grpc.AuthServiceServicer):
    """See auth.proto."""

    def __init__(self, issue_token: TokenEndpoint, revoke_token: RevokeToken) -> None:
        self._issue_token = issue_token
        self._revoke_token = revoke_token

    async def IssueToken(self, request: auth_pb2.IssueTokenRequest, context: Context) -> auth_pb2.IssueTokenResponse:
        try:
            granted = await self._issue_token(dict(request.form), request.authorization)
        except OAuthRefused as refusal:
            return auth_pb2.IssueTokenResponse(error=_refusal_to_proto(refusal))
        return auth_pb2.IssueTokenResponse(token=_granted_to_proto(granted))

    async def RevokeToken(self, request: auth_pb2.RevokeTokenRequest, context: Context) -> auth_pb2.RevokeTokenResponse:
        try:
            await self._revoke_token(request.form)
        except OAuthRefused as refusal:
            return auth_pb2.RevokeTokenResponse(error=_refusal_to_proto(refusal))
        return auth_pb2.RevokeTokenResponse()


class TokenReadServicer(auth_pb2_grpc.TokenReadServiceServicer):
    """See auth.proto."""

    def __init__(self, introspect_token: IntrospectToken) -> None:
        self._introspect_token = introspect_token

    async def IntrospectToken(
        self, request: auth_pb2.IntrospectTokenRequest, context: Context
    ) -> auth_pb2.IntrospectTokenResponse:
        return wire.token_state_to_proto(await self._introspect_token(request.token))


class KeyServicer(auth_pb2_grpc.KeyServiceServicer):
    """See auth.proto."""

    def __init__(self, keys: KeyRing) -> None:
        self._keys = keys

    async def GetJwks(self, request: auth_pb2.GetJwksRequest, context: Context) -> auth_pb2.GetJwksResponse:
        return auth_pb2.GetJwksResponse(jwks_json=json.dumps(await self._keys.jwks(), separators=(",", ":")))


def _granted_to_proto(granted: Granted) -> auth_pb2.Token:
    expires_in = Duration()
    expires_in.FromTimedelta(granted.expires_in)
    return auth_pb2.Token(
        access_token=granted.access_token,
        token_type="Bearer",  # noqa: S106 - RFC 6750's name for the kind of token
        expires_in=expires_in,
        scope=granted.scope,
        issued_token_type=granted.issued_token_type,
    )


def _refusal_to_proto(refusal: OAuthRefused) -> auth_pb2.OAuthError:
    return auth_pb2.OAuthError(
        error=refusal.error, error_description=refusal.description, http_status=refusal.http_status
    )
