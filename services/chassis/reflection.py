"""`grpc.reflection` in both its versions: v1alpha, which older tools ask for, and v1, which is the same on the wire."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import grpc
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_reflection.v1alpha import reflection, reflection_pb2

V1ALPHA: str = reflection.SERVICE_NAME
V1 = "grpc.reflection.v1.ServerReflection"


def add_to(server: grpc.aio.Server, names: Sequence[str], pool: DescriptorPool | None = None) -> None:
    """Let callers list the services `names` and ask for what `pool` knows; without a pool, for all of ours."""
    known: Any = _WithMethods(pool or descriptor_pool.Default())  # stands for a pool without being one
    servicer = reflection.aio.ReflectionServicer(names, pool=known)
    handler = grpc.stream_stream_rpc_method_handler(
        servicer.ServerReflectionInfo,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    methods = {"ServerReflectionInfo": handler}
    server.add_generic_rpc_handlers(
        tuple(grpc.method_handlers_generic_handler(name, methods) for name in (V1ALPHA, V1))
    )


class _WithMethods:
    """A pool that finds methods by their names, too: the protocol says so, protobuf's own does not."""

    def __init__(self, pool: DescriptorPool) -> None:
        self._pool = pool

    def FindFileContainingSymbol(self, symbol: str) -> FileDescriptor:  # noqa: N802 - protobuf's name
        try:
            return self._pool.FindFileContainingSymbol(symbol)
        except KeyError:
            return self._pool.FindMethodByName(symbol).containing_service.file

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pool, name)
