"""What happens around every call that a gRPC server takes, whatever its kind.

Request id → caller (certificate, user) → authorization → deadline → a place, where they are few → the servicer →
error to status → metrics.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager, nullcontext
from typing import Any, NoReturn

import grpc
from structlog.contextvars import bind_contextvars

from services.chassis import caller as callers
from services.chassis import deadlines, forwarding, request_id, telemetry
from services.chassis.authentication import Authenticator
from services.chassis.authorization import Authorization
from services.chassis.caller import Caller, Identity
from services.chassis.faults import DETAILS_KEY, STATUS, details_of
from services.chassis.inflight import InFlight
from services.chassis.logs import get_logger
from services.chassis.metrics import RpcMetrics
from services.chassis.places import Places
from services.chassis.watches import Stopping, watches
from services.model.errors import ArtStoreError, DeadlineExceeded, ErrorCode, Forbidden, InternalError
from services.model.ids import StorageId

MAX_MESSAGE = 1000
"""Characters of an error's message that go into the status: trailers have a size limit."""

Context = grpc.aio.ServicerContext[Any, Any]

log = get_logger(__name__)


class CallInterceptor(grpc.aio.ServerInterceptor):
    """One for each server; see the head of this file."""

    def __init__(
        self,
        *,
        authenticator: Authenticator,
        metrics: RpcMetrics,
        replica_of: StorageId | None = None,
        places: Mapping[str, Places] | None = None,
    ) -> None:
        """`replica_of`: the element that this process serves, maybe as one of several. `places`: see `GrpcServer`."""
        self._authenticator, self._replica_of = authenticator, replica_of
        self._places = places or {}
        self._authorization = Authorization()
        self._metrics = metrics
        self.calls = InFlight()
        """Calls that end by themselves; those that only watch are not among them."""
        self.stopping = Stopping()
        """Once set, calls that watch end."""

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        handler = await continuation(handler_call_details)
        if handler is None:
            return None
        around = functools.partial(self._around, handler_call_details.method)
        for kind in ("unary_unary", "stream_unary"):
            behaviour = getattr(handler, kind)
            if behaviour is not None:
                return handler._replace(**{kind: _unary(behaviour, around)})
        for kind in ("unary_stream", "stream_stream"):
            behaviour = getattr(handler, kind)
            if behaviour is not None:
                if watches(handler_call_details.method):
                    behaviour = self.stopping.ends(behaviour)
                wrap = _writing if inspect.iscoroutinefunction(behaviour) else _streaming
                return handler._replace(**{kind: wrap(behaviour, around)})
        return handler

    @asynccontextmanager
    async def _around(self, method: str, context: Context) -> AsyncIterator[None]:
        started = time.perf_counter()
        code = "OK"
        span = telemetry.NONE
        self._metrics.in_flight.inc()
        try:
            with nullcontext() if watches(method) else self.calls:
                metadata = {key: value for key, value in context.invocation_metadata() or () if isinstance(value, str)}
                given_id = request_id.accept(metadata.get(request_id.HEADER))
                request_id.bind(given_id)
                span = self._span(method, metadata)
                # Never unbound: each call has a task, and with it a context, of its own. A stream that its caller left
                # is closed in yet another context, which could not unbind it.
                bind_contextvars(request_id=given_id, method=method)
                try:
                    await self._admit(method, metadata, context, given_id)
                    async with self._place(method):
                        yield
                except (asyncio.CancelledError, GeneratorExit):
                    code = "CANCELLED"
                    raise
                except ArtStoreError as error:
                    code = error.code.value
                    await _abort(context, error)
                except Exception as error:
                    code = "INTERNAL_ERROR"
                    log.exception("call failed", error=type(error).__name__)
                    await _abort(context, InternalError("an internal error; the request id finds it in the log"))
        finally:
            self._metrics.in_flight.dec()
            self._metrics.requests.labels(method, code).inc()
            self._metrics.duration.labels(method).observe(time.perf_counter() - started)
            span.end(code, failed=code == ErrorCode.INTERNAL_ERROR, request_id=request_id.current())

    def _place(self, method: str) -> AbstractAsyncContextManager[None]:
        places = self._places.get(method.rpartition("/")[2])
        return nullcontext() if places is None else places.taken()

    def _span(self, method: str, metadata: dict[str, str]) -> telemetry.Span:
        if watches(method):  # it has no end that would tell anything
            return telemetry.NONE
        service, _, name = method.lstrip("/").rpartition("/")
        attributes = {"rpc.system": "grpc", "rpc.service": service, "rpc.method": name}
        return telemetry.serving(method.lstrip("/"), metadata, attributes)

    async def _admit(self, method: str, metadata: dict[str, str], context: Context, given_id: str) -> None:
        """Find out who calls, and refuse whoever may not."""
        deadlines.bind(context.time_remaining())
        module, storage_id = _peer(context)
        identity: Identity | None = None
        if self._authorization.needs_user(method):
            identity = await self._authenticator.identify(metadata, module, storage_id)
        try:
            module, forwarded = forwarding.origin(metadata, module, storage_id, replica_of=self._replica_of)
            callers.bind(Caller(module, storage_id, identity, given_id, forwarded))
            self._authorization.check(method, module=module, identity=identity)
        except ArtStoreError as refusal:
            subject = identity.subject if identity else None
            log.warning("call refused", module=module, subject=subject, reason=refusal.message)
            raise


def _unary(behaviour: Callable[..., Awaitable[Any]], around: Callable[[Context], Any]) -> Callable[..., Awaitable[Any]]:
    async def handle(request: Any, context: Context) -> Any:
        async with around(context):
            unary_request = not hasattr(request, "__aiter__")
            if unary_request and context.time_remaining() is None:
                return await _bounded(behaviour(request, context))
            return await behaviour(request, context)

    return handle


def _streaming(
    behaviour: Callable[..., AsyncGenerator[Any, None]], around: Callable[[Context], Any]
) -> Callable[..., AsyncIterator[Any]]:
    async def handle(request: Any, context: Context) -> AsyncIterator[Any]:
        # Closed when the call ends, not when it is collected.
        async with around(context), aclosing(behaviour(request, context)) as messages:
            async for message in messages:
                yield message

    return handle


def _writing(behaviour: Callable[..., Awaitable[None]], around: Callable[[Context], Any]) -> Callable[..., Any]:
    """For servicers that call `context.write`: gRPC's own health service does."""

    async def handle(request: Any, context: Context) -> None:
        async with around(context):
            await behaviour(request, context)

    return handle


async def _bounded(work: Awaitable[Any]) -> Any:
    """Give a unary call without a deadline (grpcurl, a transcoder) the default one."""
    deadlines.bind(deadlines.UNARY)
    try:
        async with asyncio.timeout(deadlines.UNARY):
            return await work
    except TimeoutError:
        raise DeadlineExceeded(f"the call did not end within {deadlines.UNARY:g} seconds") from None


async def _abort(context: Context, error: ArtStoreError) -> NoReturn:
    context.set_trailing_metadata(((DETAILS_KEY, details_of(error)),))
    await context.abort(STATUS[error.code], error.message[:MAX_MESSAGE])


def _peer(context: Context) -> tuple[str, Any]:
    """Module and storage id of the verified certificate. Raises `Forbidden` when it is none of ours."""
    if list(context.auth_context().get("ssl_tls_version", ())) != [b"TLSv1.3"]:
        raise Forbidden("TLS 1.3 is required")
    names = list(context.auth_context().get("x509_subject_alternative_name", ()))
    found = callers.module_of(names)
    if found is None:
        raise Forbidden("the client certificate names no module")
    return found
