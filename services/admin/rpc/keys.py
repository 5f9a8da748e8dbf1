"""The keys that sign tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import grpc
from artstore.admin.v1 import keys_pb2 as pb
from artstore.admin.v1 import keys_pb2_grpc

from clients import wire
from services.admin.usecases.rotate_keys import ListSigningKeys, RotateSigningKey
from services.chassis.caller import caller

Context = grpc.aio.ServicerContext[Any, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyUseCases:
    """All that can be done with the keys."""

    list_signing_keys: ListSigningKeys
    rotate_signing_key: RotateSigningKey


def add_keys_to(server: grpc.aio.Server, can: KeyUseCases) -> None:
    """Serve everything of keys.proto."""
    keys_pb2_grpc.add_SigningKeyReadServiceServicer_to_server(SigningKeyReadServicer(can.list_signing_keys), server)
    keys_pb2_grpc.add_SigningKeyControlServiceServicer_to_server(
        SigningKeyControlServicer(can.rotate_signing_key), server
    )


class SigningKeyReadServicer(keys_pb2_grpc.SigningKeyReadServiceServicer):
    """See keys.proto."""

    def __init__(self, list_signing_keys: ListSigningKeys) -> None:
        self._list_signing_keys = list_signing_keys

    async def ListSigningKeys(self, request: pb.ListSigningKeysRequest, context: Context) -> pb.ListSigningKeysResponse:
        return pb.ListSigningKeysResponse(keys=map(wire.key_to_proto, await self._list_signing_keys()))


class SigningKeyControlServicer(keys_pb2_grpc.SigningKeyControlServiceServicer):
    """See keys.proto."""

    def __init__(self, rotate_signing_key: RotateSigningKey) -> None:
        self._rotate_signing_key = rotate_signing_key

    async def RotateSigningKey(
        self, request: pb.RotateSigningKeyRequest, context: Context
    ) -> pb.RotateSigningKeyResponse:
        key = await self._rotate_signing_key(by=caller().user)
        return pb.RotateSigningKeyResponse(key=wire.key_to_proto(key))
