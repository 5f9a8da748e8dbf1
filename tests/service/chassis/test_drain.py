"""The way down: what is under way ends, nothing new begins, and nobody is left running."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import grpc
import pytest
from artstore.admin.v1 import auth_pb2, auth_pb2_grpc
from artstore.storage.v1 import storage_pb2, storage_pb2_grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from services.chassis import faults
from services.chassis.caller import ON_BEHALF_OF, Identity, write_on_behalf_of
from services.model.errors import ArtStoreError, FileDamaged, ServiceUnavailable
from services.model.ids import Subject
from tests.service.chassis.ground import Behaviour, Ground, for_ever

LONG = timedelta(seconds=20)
QUICK = 5.0
"""Seconds for what must not wait for the grace to pass."""


class Under:
    """A call under way, and what its servicer waits for."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._started = asyncio.Event()
        self.may_end = asyncio.Event()

    async def begin(self, then: Behaviour | None = None) -> asyncio.Future[Any]:
        """Make the call; return its outcome to come, once the servicer runs."""

        async def does() -> None:
            self._started.set()
            await self.may_end.wait()
            if then is not None:
                await then()

        self._ground.servicers.does = does
        outcome = asyncio.ensure_future(jwks(self._ground))
        await asyncio.wait_for(self._started.wait(), QUICK)
        return outcome


async def jwks(ground: Ground) -> str | ArtStoreError:
    """The answer to one call on a channel of its own, or the error."""
    stub = auth_pb2_grpc.KeyServiceStub(ground.channel())
    try:
        with faults.translated():
            return (await stub.GetJwks(auth_pb2.GetJwksRequest(), timeout=30)).jwks_json
    except ArtStoreError as error:
        return error


async def refuses(ground: Ground) -> None:
    """Return once new calls are refused."""
    async with asyncio.timeout(QUICK):
        while True:
            reader = writer = None
            with contextlib.suppress(OSError):
                reader, writer = await asyncio.open_connection(*ground.address.split(":"))
            if writer is None:
                return
            writer.close()
            del reader
            await asyncio.sleep(0.01)


async def test_a_call_under_way_is_answered_and_no_new_one_is_taken(ground: Ground) -> None:
    under = Under(ground)
    outcome = await under.begin()
    drain = asyncio.create_task(ground.server.drain(LONG))
    await refuses(ground)
    assert isinstance(await jwks(ground), ServiceUnavailable)
    assert not drain.done()
    under.may_end.set()
    assert await outcome == "{}"
    await asyncio.wait_for(drain, QUICK)


async def test_a_call_that_fails_during_the_drain_tells_its_caller_why(ground: Ground) -> None:
    async def fail() -> None:
        raise FileDamaged("differs from its digest")

    under = Under(ground)
    outcome = await under.begin(fail)
    drain = asyncio.create_task(ground.server.drain(LONG))
    await refuses(ground)
    under.may_end.set()
    assert isinstance(await outcome, FileDamaged)
    await asyncio.wait_for(drain, QUICK)


async def test_what_does_not_end_in_time_is_cut_off(ground: Ground) -> None:
    outcome = await Under(ground).begin()
    await asyncio.wait_for(ground.server.drain(timedelta(seconds=0.3)), QUICK)
    assert isinstance(await outcome, ServiceUnavailable)
    assert ground.servicers.cancelled.is_set()


async def test_it_waits_for_a_servicer_whose_caller_has_left(ground: Ground) -> None:
    """What it must finish (a commit) needs the disk and the database, which are closed after the drain."""
    started, left, may_end = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def must_finish() -> None:
        started.set()
        try:
            await for_ever()
        finally:
            left.set()
            await may_end.wait()

    ground.servicers.does = must_finish
    call = auth_pb2_grpc.KeyServiceStub(ground.channel()).GetJwks(auth_pb2.GetJwksRequest(), timeout=30)
    waiting = asyncio.ensure_future(call.code())
    await asyncio.wait_for(started.wait(), QUICK)
    call.cancel()
    await waiting
    await asyncio.wait_for(left.wait(), QUICK)
    drain = asyncio.create_task(ground.server.drain(LONG))
    await refuses(ground)
    done, _ = await asyncio.wait({drain}, timeout=0.3)
    assert not done
    may_end.set()
    await asyncio.wait_for(drain, QUICK)


async def test_it_is_not_held_up_by_those_who_watch(ground: Ground) -> None:
    stub: Any = health_pb2_grpc.HealthStub(ground.channel("query"))
    watch = stub.Watch(health_pb2.HealthCheckRequest())
    assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
    drain = asyncio.create_task(ground.server.drain(LONG))
    assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
    await asyncio.wait_for(drain, QUICK)


async def test_calls_are_still_taken_while_balancers_look(ground: Ground) -> None:
    stub: Any = health_pb2_grpc.HealthStub(ground.channel("query"))
    watch = stub.Watch(health_pb2.HealthCheckRequest())
    await watch.read()
    drain = asyncio.create_task(ground.server.drain(LONG, delay=timedelta(seconds=1)))
    assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
    assert await jwks(ground) == "{}"
    await asyncio.wait_for(drain, QUICK)


async def test_a_download_whose_reader_left_is_closed_without_noise(
    element: Ground, caplog: pytest.LogCaptureFixture
) -> None:
    closed = asyncio.Event()

    class Endless:
        async def Download(self, request: Any, context: Any) -> AsyncIterator[storage_pb2.DownloadResponse]:  # noqa: N802
            try:
                while True:
                    yield storage_pb2.DownloadResponse(chunk=bytes(1 << 18))
            finally:
                closed.set()

    element.servicers.downloads = Endless().Download
    word = write_on_behalf_of(Identity(Subject("a"), frozenset({"files:read"})), "r")
    stub = storage_pb2_grpc.StorageReadServiceStub(element.channel("query"))
    with caplog.at_level(logging.WARNING):
        call = stub.Download(storage_pb2.DownloadRequest(), metadata=((ON_BEHALF_OF, word),), timeout=30)
        await call.read()
        call.cancel()
        await asyncio.wait_for(closed.wait(), QUICK)
        await asyncio.wait_for(element.server.drain(LONG), QUICK)
    assert [record.getMessage() for record in caplog.records] == []
    assert await call.code() is grpc.StatusCode.CANCELLED


async def test_reflection_ends_when_its_caller_has_asked_all(ground: Ground) -> None:
    channel: Any = ground.channel("query")  # the stub knows nothing of aio
    stub: Any = reflection_pb2_grpc.ServerReflectionStub(channel)
    call = stub.ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest(list_services="")]))
    (answer,) = [answer async for answer in call]
    assert "artstore.admin.v1.KeyService" in {each.name for each in answer.list_services_response.service}
    assert await call.code() is grpc.StatusCode.OK
