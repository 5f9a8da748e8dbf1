"""A server that stops and comes back under calls: what may be repeated does not fail for it."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from artstore.admin.v1 import auth_pb2, auth_pb2_grpc

from clients.calls import ask
from tests.service.chassis.ground import Ground

CALLERS, RESTARTS = 24, 8


async def test_calls_that_reach_a_server_as_it_stops_are_made_again(ground: Ground) -> None:
    """CANCELLED is what gRPC answers those that no servicer has yet, where one might expect UNAVAILABLE."""
    stub = auth_pb2_grpc.KeyServiceStub(ground.channel())
    over, answered = False, asyncio.Semaphore(0)

    async def caller() -> None:
        while not over:
            request = auth_pb2.GetJwksRequest()
            answer = await ask(stub.GetJwks, request, _jwks, seconds=20, metadata=(), repeatable=True)
            assert answer == "{}"
            answered.release()

    async with asyncio.TaskGroup() as callers:
        for _ in range(CALLERS):
            callers.create_task(caller())
        for _ in range(RESTARTS):
            for _ in range(4 * CALLERS):
                await answered.acquire()
            await ground.server.drain(timedelta(seconds=5))
            await ground.start(element=False)
        over = True


def _jwks(answer: auth_pb2.GetJwksResponse) -> str:
    return answer.jwks_json
