"""The gRPC server of a process: mutual TLS, limits, keepalive, health, reflection, graceful drain."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from datetime import timedelta

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from services.chassis import contract, reflection
from services.chassis.authentication import Authenticator
from services.chassis.channel import SHARED_OPTIONS
from services.chassis.interceptor import CallInterceptor
from services.chassis.logs import get_logger
from services.chassis.metrics import PREFIXES, RpcMetrics
from services.chassis.places import Places
from services.chassis.settings import ProcessSettings
from services.model.ids import StorageId

MAX_STREAMS = 1024
"""Concurrent calls of one connection. What exceeds it waits at its caller, unseen here, and has been seen to wait on
after others had ended (grpcio 1.85): byte streams, which may last for hours, have a connection of their own, and far
fewer places than this."""

CLEAN_UP = 5.0
"""Seconds for servicers that were cut off to tidy up."""

log = get_logger(__name__)


class GrpcServer:
    """Give `.grpc` to the rooms' `add_to`, then `start`; `drain` ends it."""

    def __init__(
        self, settings: ProcessSettings, *, service: str, authenticator: Authenticator,
        replica_of: StorageId | None = None, places: Mapping[str, Places] | None = None,
    ) -> None:  # fmt: skip
        """`replica_of`: the element that this process serves, maybe as one of several.

        `places`: by the name of a method, how many of its calls there may be at a time, from all callers together.
        """
        self._address = f"{settings.host}:{settings.port}"
        self._credentials = settings.tls.server_credentials()
        logging.getLogger("grpc._cython.cygrpc").addFilter(_is_not_of_a_caller_that_left)
        self._health = health.aio.HealthServicer()
        around = CallInterceptor(
            authenticator=authenticator, metrics=RpcMetrics(PREFIXES[service]), replica_of=replica_of, places=places
        )
        self._calls, self._stopping = around.calls, around.stopping
        self.grpc = grpc.aio.server(
            interceptors=[around],
            options=[
                *SHARED_OPTIONS,
                ("grpc.so_reuseport", 0),  # else two servers bind one port without a word
                ("grpc.max_concurrent_streams", MAX_STREAMS),
                ("grpc.keepalive_time_ms", 60_000),
                ("grpc.keepalive_timeout_ms", 20_000),
                ("grpc.http2.min_ping_interval_without_data_ms", 20_000),
                ("grpc.keepalive_permit_without_calls", 1),
            ],
        )
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self.grpc)

    async def start(self, names: list[str], *, show_public: bool = False) -> None:
        """Listen, and serve. Raises `SystemExit` if the port is taken.

        `names`: full names of the services, for reflection. `show_public`: reflect instead exactly the services that
        are open to the outside, whoever serves them: for the one server that the public door asks.
        """
        if show_public:
            public = contract.public_services()
            reflection.add_to(self.grpc, public, contract.pool_of(public))
        else:
            reflection.add_to(self.grpc, [*names, health.SERVICE_NAME, reflection.V1, reflection.V1ALPHA])
        try:
            self.grpc.add_secure_port(self._address, self._credentials)
        except RuntimeError:
            raise SystemExit(f"Cannot listen on {self._address}: the port is taken or not permitted") from None
        await self.grpc.start()
        await self._health.set("", health_pb2.HealthCheckResponse.SERVING)
        log.info("gRPC server listens", address=self._address)

    async def tell(self, name: str, *, serving: bool) -> None:
        """Have the health service say of `name`, a service or a part that this process plays, whether it serves."""
        status = health_pb2.HealthCheckResponse.SERVING if serving else health_pb2.HealthCheckResponse.NOT_SERVING
        await self._health.set(name, status)

    async def drain(self, grace: timedelta, *, delay: timedelta = timedelta(0)) -> None:
        """Say NOT_SERVING; after `delay` refuse new calls, let those in flight end within `grace`; cut off the rest.

        Calls that watch are ended as soon as nothing else is left. Returns when no servicer runs any more.
        """
        await self._health.enter_graceful_shutdown()
        await asyncio.sleep(delay.total_seconds())
        # Once and never again, which would crash. New calls are refused from here on; after the grace all are cut off.
        stopping = asyncio.create_task(self.grpc.stop(grace.total_seconds()))
        if not await self._calls.ended(grace.total_seconds()):
            log.warning("calls are cut off", calls=len(self._calls))
        self._stopping.set()
        await stopping
        if not await self._calls.ended(CLEAN_UP):
            log.warning("calls that were cut off did not end", calls=len(self._calls))


def _is_not_of_a_caller_that_left(record: logging.LogRecord) -> bool:
    """Whether gRPC should log this: where a reader leaves while he is written to, it logs our "unexpected error"."""
    kind = record.exc_info[0] if record.exc_info else None
    return kind is None or kind.__name__ != "ExecuteBatchError"
