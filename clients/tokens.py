"""Tokens after they were given out, as the edge sees them."""

from __future__ import annotations

from collections.abc import Mapping

import grpc
from artstore.admin.v1 import auth_pb2 as pb
from artstore.admin.v1 import auth_pb2_grpc

from clients import metadata, wire
from clients.admin import UNARY, OAuthRefusal
from clients.calls import ask
from services.chassis.caller import Identity
from services.model.identity import TokenState


class TokensClient:
    """Calls about tokens. Every method raises `ServiceUnavailable` when Admin is not reached."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._auth = auth_pb2_grpc.AuthServiceStub(channel)
        self._read = auth_pb2_grpc.TokenReadServiceStub(channel)

    async def revoke_token(self, form: Mapping[str, str]) -> OAuthRefusal | None:
        """The revocation endpoint (RFC 7009), its form already parsed. None: done."""
        return await ask(
            self._auth.RevokeToken,
            pb.RevokeTokenRequest(form=form),
            _refusal,
            seconds=UNARY,
            metadata=metadata.bearer(None),
            repeatable=True,
        )

    async def introspect_token(self, token: str, *, on_behalf_of: Identity | None) -> TokenState:
        """What is known of a token (RFC 7662)."""
        return await ask(
            self._read.IntrospectToken,
            pb.IntrospectTokenRequest(token=token),
            wire.token_state_from_proto,
            seconds=UNARY,
            metadata=metadata.bearer(on_behalf_of),
            repeatable=True,
        )


def _refusal(answer: pb.RevokeTokenResponse) -> OAuthRefusal | None:
    if not answer.HasField("error"):
        return None
    return OAuthRefusal(answer.error.error, answer.error.error_description, answer.error.http_status)
