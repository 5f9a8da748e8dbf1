"""The keys that sign tokens, as the edge sees them."""

from __future__ import annotations

from collections.abc import Sequence

import grpc
from artstore.admin.v1 import keys_pb2 as pb
from artstore.admin.v1 import keys_pb2_grpc

from clients import metadata, wire
from clients.admin import UNARY
from clients.calls import ask
from services.chassis.caller import Identity
from services.model.identity import KeyInfo


class SigningKeysClient:
    """Calls about signing keys. Every method raises `ServiceUnavailable` when Admin is not reached."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._read = keys_pb2_grpc.SigningKeyReadServiceStub(channel)
        self._control = keys_pb2_grpc.SigningKeyControlServiceStub(channel)

    async def list_signing_keys(self, *, on_behalf_of: Identity | None) -> Sequence[KeyInfo]:
        """Every key that is published, the oldest first."""
        return await ask(
            self._read.ListSigningKeys,
            pb.ListSigningKeysRequest(),
            lambda answer: list(map(wire.key_from_proto, answer.keys)),
            seconds=UNARY,
            metadata=metadata.bearer(on_behalf_of),
            repeatable=True,
        )

    async def rotate_signing_key(self, *, on_behalf_of: Identity | None) -> KeyInfo:
        """Begin a rotation, or find one under way; the key that will sign."""
        return await ask(
            self._control.RotateSigningKey,
            pb.RotateSigningKeyRequest(),
            lambda answer: wire.key_from_proto(answer.key),
            seconds=UNARY,
            metadata=metadata.bearer(on_behalf_of),
        )
