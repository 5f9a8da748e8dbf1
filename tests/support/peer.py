"""A gRPC server that a test plays itself: real socket, real certificate, the interceptor of every server of ours."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import grpc

from services.chassis.authentication import Authenticator, BearerAuthenticator, OnBehalfOfAuthenticator
from services.chassis.channel import SHARED_OPTIONS
from services.chassis.clock import SystemClock
from services.chassis.interceptor import CallInterceptor
from services.chassis.metrics import RpcMetrics
from services.chassis.tls import TlsFiles
from services.chassis.tokens import KeySource, TokenVerifier
from tests.doubles.keys import AUDIENCE, ISSUER

_numbers = itertools.count(1)


class Peer:
    """Serves on a port that the system chose, until it is stopped; may be started again on the same port."""

    def __init__(
        self,
        tls: TlsFiles,
        authenticator: Authenticator,
        add_to: Callable[[grpc.aio.Server], None],
        *,
        streams: int = 256,
    ) -> None:
        """`streams`: calls that one connection may have under way."""
        self._options = [*SHARED_OPTIONS, ("grpc.so_reuseport", 0), ("grpc.max_concurrent_streams", streams)]
        self._tls = tls
        self._authenticator = authenticator
        self._add_to = add_to
        self._metrics = RpcMetrics(f"test_{next(_numbers)}")  # the registry of metrics takes each name once
        self._server: grpc.aio.Server | None = None
        self.port = 0

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def start(self) -> None:
        interceptor: Any = CallInterceptor(authenticator=self._authenticator, metrics=self._metrics)
        self._server = grpc.aio.server(interceptors=[interceptor], options=self._options)
        self._add_to(self._server)
        self.port = self._server.add_secure_port(self.address, self._tls.server_credentials())
        await self._server.start()

    async def stop(self) -> None:
        """Cut everything off at once."""
        if self._server is not None:
            await self._server.stop(0)
            self._server = None


def like_an_element() -> Authenticator:
    """Believes what trusted modules say of users."""
    return OnBehalfOfAuthenticator(frozenset({"ingester", "query", "admin", "storage"}))


def like_admin(keys: KeySource) -> Authenticator:
    """Reads bearers."""
    return BearerAuthenticator(TokenVerifier(keys, issuer=ISSUER, audience=AUDIENCE, clock=SystemClock()))
