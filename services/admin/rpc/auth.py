"""Tokens and keys."""

from __future__ import annotations

import json
from typing import Any

import grpc
from artstore.admin.v1 import auth_pb2, auth_pb2_grpc
from google.protobuf.duration_pb2 import Duration

from services.admin.domain.oauth import OAuthRefused
from services.admin.usecases.issue_token import IssueToken
from services.admin.usecases.key_ring import KeyRing
from services.admin.usecases.oauth_server import Granted

Context = grpc.aio.ServicerContext[Any, Any]


class AuthServicer(auth_pb2_grpc.AuthServiceServicer):
    """See auth.proto."""

    def __init__(self, issue_token: IssueToken) -> None:
        self._issue_token = issue_token

    async def IssueToken(self, request: auth_pb2.IssueTokenRequest, context: Context) -> auth_pb2.IssueTokenResponse:
        try:
            granted = await self._issue_token(dict(request.form), request.authorization)
        except OAuthRefused as refusal:
            return auth_pb2.IssueTokenResponse(error=_refusal_to_proto(refusal))
        return auth_pb2.IssueTokenResponse(token=_granted_to_proto(granted))


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
    )


def _refusal_to_proto(refusal: OAuthRefused) -> auth_pb2.OAuthError:
    return auth_pb2.OAuthError(
        error=refusal.error, error_description=refusal.description, http_status=refusal.http_status
    )
