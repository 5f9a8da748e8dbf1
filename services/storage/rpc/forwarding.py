"""What a follower answers itself, and what it passes on to the leader.

Reads are answered by every process. What a follower does not find, or finds incomplete, may only not have come through
to it yet: then the leader is asked, so that "not here yet" is never told as "not found". Everything else is the
leader's. Calls are passed on as they came over the wire, undecoded, with the user behind them and the module that made
them; one that was passed on already is refused, so that none goes round in circles while the leader changes. A call to
a leader that another one has followed is cut off: it can commit nothing, and if it was paused it would not even say so.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any, Protocol, TypeAlias, cast

import grpc

from clients import metadata
from clients.streams import ACCEPTED, UploadStream, leave
from services.chassis import telemetry
from services.chassis.caller import caller
from services.chassis.deadlines import idle, remaining
from services.chassis.faults import from_rpc_error, translated
from services.chassis.forwarding import FORWARDED_FOR
from services.model.elements import Role
from services.model.errors import FileDamaged, FileMissing, NotFound, StorageUnavailable
from services.storage.domain.election import Leader
from services.storage.rpc.replicas import Replicas

Context = grpc.aio.ServicerContext[Any, Any]
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"

ANSWERED = frozenset({"GetInfo", "ListFiles"})
"""By every process, from what it has."""
ASKED_AGAIN = frozenset({"GetFile", "Download"})
"""By every process; where it finds nothing, the leader is asked."""
NOT_HERE_YET = (NotFound, FileMissing, FileDamaged)
PEER = "the storage element's leader"
CHANGING = "the storage element is changing its leader; try again"
LOOK = 0.5
"""Seconds between two looks whether whoever was asked leads still."""


class Standing(Protocol):
    """What this process is, and who leads if it does not."""

    @property
    def role(self) -> Role: ...

    @property
    def leader(self) -> Leader | None: ...

    async def follow_mode(self) -> None: ...


class Forwarding:
    """Give it to `add_to`: from then on what is not ours to answer is passed on."""

    def __init__(self, standing: Standing, replicas: Replicas) -> None:
        self._standing = standing
        self._relay = _Relay(standing, replicas)

    def around(self, server: grpc.aio.Server) -> grpc.aio.Server:
        """A server to which handlers can be added, nothing else."""
        return cast("grpc.aio.Server", _Adding(server, self))

    def chosen(self, method: str, handler: Handler) -> Handler:
        """What answers a call that has just come."""
        name = method.rpartition("/")[2]
        if self._standing.role is Role.LEADER or name in ANSWERED:
            return handler
        if name in ASKED_AGAIN:
            return self._asking(method, handler)
        if handler.unary_unary:
            return grpc.unary_unary_rpc_method_handler(self._controlling(method))
        if handler.stream_unary:
            return grpc.stream_unary_rpc_method_handler(self._relay.sending(method))
        assert handler.unary_stream, "no call streams both ways"
        return grpc.unary_stream_rpc_method_handler(self._relay.receiving(method))

    def _controlling(self, method: str) -> Callable[[bytes, Context], Awaitable[bytes]]:
        async def control(request: bytes, context: Context) -> bytes:
            answer = await self._relay.unary(method)(request, context)
            if "Control" in method:  # it may have been the mode: who asks here again must see it
                with contextlib.suppress(StorageUnavailable):
                    await self._standing.follow_mode()
            return answer

        return control

    def _asking(self, method: str, handler: Any) -> Handler:
        """`handler`: as grpc.aio understands it, which its types do not say."""
        decode, encode = handler.request_deserializer or _same, handler.response_serializer or _same

        async def unary(request: bytes, context: Context) -> bytes:
            try:
                answer: bytes = encode(await handler.unary_unary(decode(request), context))
            except NOT_HERE_YET:
                return await self._relay.unary(method)(request, context)
            return answer

        async def stream(request: bytes, context: Context) -> AsyncGenerator[bytes, None]:
            async with aclosing(handler.unary_stream(decode(request), context)) as local:
                try:
                    yield encode(await anext(local))
                except NOT_HERE_YET:
                    pass
                else:
                    async for message in local:
                        yield encode(message)
                    return
            async with aclosing(self._relay.receiving(method)(request, context)) as relayed:
                async for message in relayed:
                    yield message

        if handler.unary_unary:
            return grpc.unary_unary_rpc_method_handler(unary)
        return grpc.unary_stream_rpc_method_handler(stream)


class _Relay:
    """Passes calls on."""

    def __init__(self, standing: Standing, replicas: Replicas) -> None:
        self._standing, self._replicas = standing, replicas

    def unary(self, method: str) -> Callable[[bytes, Context], Awaitable[bytes]]:
        async def call(request: bytes, _: Context) -> bytes:
            leader, channel = self._leader()
            ask: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(method)
            with translated(StorageUnavailable):
                call = ask(request, timeout=remaining(None), metadata=_beside())
                async with self._cut_off(call, after=leader):
                    return await call

        return call

    def receiving(self, method: str) -> Callable[[bytes, Context], AsyncGenerator[bytes, None]]:
        async def receive(request: bytes, _: Context) -> AsyncGenerator[bytes, None]:
            leader, channel = self._leader(transfers=True)
            ask: grpc.aio.UnaryStreamMultiCallable[bytes, bytes] = channel.unary_stream(method)
            with telemetry.outgoing(method, _beside()) as sent:
                call = ask(request, timeout=remaining(None), metadata=sent)
            try:
                async with self._cut_off(call, after=leader):
                    while isinstance(message := await call.read(), bytes):
                        yield message
            except grpc.aio.AioRpcError as error:
                raise from_rpc_error(error, StorageUnavailable) from error
            finally:
                call.cancel()

        return receive

    def sending(self, method: str) -> Callable[[AsyncIterator[bytes], Context], Awaitable[bytes]]:
        async def send(messages: AsyncIterator[bytes], context: Context) -> bytes:
            leader, channel = self._leader(transfers=True)
            ask: grpc.aio.StreamUnaryMultiCallable[bytes, bytes] = channel.stream_unary(method)
            with telemetry.outgoing(method, _beside()) as sent:
                call = ask(timeout=remaining(None), metadata=sent)
                stream = UploadStream(call, peer=PEER, unavailable=StorageUnavailable)
                telling = asyncio.create_task(_tell_accepted(call, context))
                try:
                    async with self._cut_off(call, after=leader):
                        await stream.send(idle(messages))
                        return await stream.finish(None)
                finally:
                    telling.cancel()
                    await asyncio.gather(telling, return_exceptions=True)
                    await leave(call)

        return send

    def _leader(self, *, transfers: bool = False) -> tuple[Leader, grpc.aio.Channel]:
        """Raises `StorageUnavailable` if nobody is known to lead, or the call was passed on already."""
        leader = self._standing.leader
        if leader is None or caller().forwarded:
            raise StorageUnavailable(CHANGING, retry_after=2)
        return leader, self._replicas.channel(leader.address, transfers=transfers)

    @asynccontextmanager
    async def _cut_off(self, call: grpc.aio.Call, *, after: Leader) -> AsyncIterator[None]:
        """Around the use of a call. Raises `StorageUnavailable` once another one leads than `after`."""
        followed = asyncio.create_task(self._followed(after))
        followed.add_done_callback(lambda task: task.cancelled() or call.cancel())
        try:
            yield
        except asyncio.CancelledError:
            if followed.done():
                raise StorageUnavailable(CHANGING, retry_after=2) from None
            raise
        finally:
            followed.cancel()
            await asyncio.gather(followed, return_exceptions=True)

    async def _followed(self, leader: Leader) -> None:
        """Return once another one leads; while nobody is known to, the old one may still."""
        while self._standing.role is not Role.LEADER:
            present = self._standing.leader
            if present is not None and present.epoch != leader.epoch:
                return
            await asyncio.sleep(LOOK)


def _beside() -> metadata.Metadata:
    """What goes with a call that is passed on."""
    return (*metadata.on_behalf_of(caller().identity), (FORWARDED_FOR, caller().module))


async def _tell_accepted(call: grpc.aio.StreamUnaryCall[bytes, bytes], context: Context) -> None:
    """The leader has accepted the header: whoever sends waits for that."""
    for key, value in await call.initial_metadata():
        if key == ACCEPTED:
            await context.send_initial_metadata(((key, value),))


class _Handlers(grpc.GenericRpcHandler):
    """Handlers of which some are passed on, as it is when the call comes."""

    def __init__(self, inner: grpc.GenericRpcHandler, forwarding: Forwarding) -> None:
        self._inner, self._forwarding = inner, forwarding

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Handler | None:
        handler = self._inner.service(handler_call_details)
        return None if handler is None else self._forwarding.chosen(handler_call_details.method, handler)


class _Adding:
    """A server as those see it who add handlers."""

    def __init__(self, server: grpc.aio.Server, forwarding: Forwarding) -> None:
        self._server, self._forwarding = server, forwarding

    def add_generic_rpc_handlers(self, handlers: Sequence[grpc.GenericRpcHandler]) -> None:
        self._server.add_generic_rpc_handlers(tuple(_Handlers(each, self._forwarding) for each in handlers))

    def add_registered_method_handlers(self, service: str, handlers: dict[str, Any]) -> None:
        """The generated code adds everything both ways; this one has no use in grpc.aio."""


def _same(message: Any) -> Any:
    return message
