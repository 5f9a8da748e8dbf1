"""Whether a service answers at all: `grpc.health.v1`, which every server has and every module may ask."""

from __future__ import annotations

import grpc
from grpc_health.v1 import health_pb2

from services.chassis.deadlines import remaining
from services.chassis.faults import translated
from services.model.errors import ServiceUnavailable

SECONDS = 3.0
"""For the answer."""


async def serving(channel: grpc.aio.Channel, service: str = "") -> None:
    """Return if what `channel` leads to serves. Raises `ServiceUnavailable` if it is away, starting or stopping.

    `service`: one that it may or may not serve now; empty: the process as a whole. Raises `NotFound` for one that it
    never heard of.
    """
    check: grpc.aio.UnaryUnaryMultiCallable[health_pb2.HealthCheckRequest, health_pb2.HealthCheckResponse]
    check = channel.unary_unary(
        "/grpc.health.v1.Health/Check",
        request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
        response_deserializer=health_pb2.HealthCheckResponse.FromString,
    )
    with translated():
        answer = await check(health_pb2.HealthCheckRequest(service=service), timeout=remaining(SECONDS))
    if answer.status != health_pb2.HealthCheckResponse.SERVING:
        raise ServiceUnavailable("the service is starting or stopping", retry_after=2)


async def all_serve(*channels: grpc.aio.Channel) -> None:
    """The same for several channels, which all must serve."""
    for channel in channels:
        await serving(channel)
