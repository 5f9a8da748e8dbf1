"""The keys that sign tokens; retired ones are never spoken of."""

from __future__ import annotations

from artstore.admin.v1 import keys_pb2

from clients.wire.scalars import only_set, time_from_proto, time_to_proto
from services.model.errors import ValidationFailed
from services.model.identity import KeyInfo, KeyState

_STATES = {
    KeyState.NEXT: keys_pb2.SIGNING_KEY_STATE_NEXT,
    KeyState.ACTIVE: keys_pb2.SIGNING_KEY_STATE_ACTIVE,
    KeyState.RETIRING: keys_pb2.SIGNING_KEY_STATE_RETIRING,
}


def key_to_proto(key: KeyInfo) -> keys_pb2.SigningKey:
    """Every field."""
    return keys_pb2.SigningKey(
        kid=key.kid,
        algorithm=key.algorithm,
        state=_STATES[key.state],
        created_at=time_to_proto(key.created_at),
        activates_at=time_to_proto(key.activates_at),
        **only_set(retires_at=time_to_proto(key.retires_at)),
    )


def key_from_proto(message: keys_pb2.SigningKey) -> KeyInfo:
    """Every field."""
    states = [state for state, number in _STATES.items() if number == message.state]
    if not states:
        raise ValidationFailed.of("state", "is not a known value")
    return KeyInfo(
        kid=message.kid,
        algorithm=message.algorithm,
        state=states[0],
        created_at=time_from_proto(message.created_at, "created_at"),
        activates_at=time_from_proto(message.activates_at, "activates_at"),
        retires_at=time_from_proto(message.retires_at, "retires_at") if message.HasField("retires_at") else None,
    )
