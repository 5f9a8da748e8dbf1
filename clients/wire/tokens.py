"""What is known of a token."""

from __future__ import annotations

from artstore.admin.v1 import auth_pb2 as pb

from clients.wire.scalars import only_set, time_from_proto, time_to_proto
from services.model.identity import TokenState


def token_state_to_proto(state: TokenState) -> pb.IntrospectTokenResponse:
    """Every field."""
    return pb.IntrospectTokenResponse(
        active=state.active,
        token_type=state.token_type,
        scope=state.scope,
        client_id=state.client_id,
        subject=state.subject,
        audiences=state.audiences,
        issuer=state.issuer,
        token_id=state.token_id,
        subject_active=state.subject_active,
        **only_set(issued_at=time_to_proto(state.issued_at), expires_at=time_to_proto(state.expires_at)),
    )


def token_state_from_proto(message: pb.IntrospectTokenResponse) -> TokenState:
    """Every field."""
    issued, expires = message.HasField("issued_at"), message.HasField("expires_at")
    return TokenState(
        active=message.active,
        token_type=message.token_type,
        scope=message.scope,
        client_id=message.client_id,
        subject=message.subject,
        audiences=tuple(message.audiences),
        issuer=message.issuer,
        token_id=message.token_id,
        issued_at=time_from_proto(message.issued_at, "issued_at") if issued else None,
        expires_at=time_from_proto(message.expires_at, "expires_at") if expires else None,
        subject_active=message.subject_active,
    )
