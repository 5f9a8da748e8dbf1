"""Small files that go to one element at the same time share a call, which costs more than what it carries.

Nobody waits for others to come: a file goes at once while fewer than `CALLS` are under way, and what comes meanwhile
goes together with the next. Only one user's files share a call, since an element believes one user for each. They share
nothing else: each has its own outcome, and whoever leaves, or runs out of time, takes no other one with him.
"""

from __future__ import annotations

import asyncio
import contextvars
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import grpc
from artstore.storage.v1 import storage_pb2

from clients import metadata, wire
from clients.calls import answered, reached, understood
from clients.frames import varint
from services.chassis import request_id
from services.chassis.caller import Identity
from services.chassis.deadlines import remaining
from services.chassis.faults import error_of
from services.model.errors import ArtStoreError, InternalError, StorageUnavailable
from services.model.files import FileAttributes

ONE: Final = "/artstore.storage.v1.StorageWriteService/StoreFile"
SEVERAL: Final = "/artstore.storage.v1.StorageWriteService/StoreFiles"
STORING: Final = 30.0
"""Seconds for a small file: it waits for the disk with others."""
LARGEST: Final = 64 << 10
"""Bytes of a file that shares a call, at most: a larger one gains nothing, and would keep the others waiting."""
CALLS: Final = 2
"""Of one user that are under way at the same time: the element works on one while the next is made and sent."""
FILES: Final = 32
BYTES: Final = 1 << 20
"""In one call, at most."""
OLDER: Final = 60.0
"""Seconds until an element of an older version is asked again whether it takes several."""

Who = tuple[str, frozenset[str]]


@dataclass(eq=False, slots=True)
class _Waiting:
    """One file, and somebody who waits for what becomes of it."""

    request: bytes
    request_id: str
    context: contextvars.Context
    outcome: asyncio.Future[FileAttributes]


@dataclass(eq=False, slots=True)
class _Queue:
    """One user's files."""

    identity: Identity | None
    waiting: list[_Waiting] = field(default_factory=list)
    calls: int = 0
    files: int = 0
    """In the calls that are under way."""
    scheduled: bool = False

    def take(self) -> list[_Waiting]:
        """The next ones: not more than an even share, so that the calls under way do not grow apart."""
        share = -(-(len(self.waiting) + self.files) // CALLS)
        count, length = 0, 0
        for each in self.waiting[: min(share, FILES)]:
            length += len(each.request)
            if count and length > BYTES:
                break
            count += 1
        taken, self.waiting = self.waiting[:count], self.waiting[count:]
        return taken


class SmallFiles:
    """Of one element. Requests are encoded `StoreFileRequest`s."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._channel = channel
        self._one: grpc.aio.UnaryUnaryMultiCallable[bytes, storage_pb2.StoreFileResponse] = channel.unary_unary(
            ONE, response_deserializer=storage_pb2.StoreFileResponse.FromString
        )
        self._several: grpc.aio.UnaryUnaryMultiCallable[bytes, storage_pb2.StoreFilesResponse] = channel.unary_unary(
            SEVERAL, response_deserializer=storage_pb2.StoreFilesResponse.FromString
        )
        self._queues: dict[Who | None, _Queue] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._older_until = 0.0

    async def store(self, request: bytes, identity: Identity | None) -> FileAttributes:
        """The stored file; see `StorageClient.store`."""
        seconds = remaining(STORING)
        if len(request) > LARGEST:
            return await self._alone(request, identity)
        who = None if identity is None else (str(identity.subject), identity.scopes)
        queue = self._queues.setdefault(who, _Queue(identity))
        outcome: asyncio.Future[FileAttributes] = asyncio.get_running_loop().create_future()
        waiting = _Waiting(request, request_id.current(), contextvars.copy_context(), outcome)
        queue.waiting.append(waiting)
        self._schedule(who, queue)
        try:
            async with asyncio.timeout(seconds):
                return await outcome
        except TimeoutError:
            if waiting in queue.waiting:
                raise StorageUnavailable("the storage element is busy; try again", retry_after=2) from None
            raise _unconfirmed() from None
        finally:
            if waiting in queue.waiting:  # not yet sent, and nobody waits for it any more
                queue.waiting.remove(waiting)

    def _schedule(self, who: Who | None, queue: _Queue) -> None:
        """Send when all who run now have come."""
        if not queue.scheduled:
            queue.scheduled = True
            asyncio.get_running_loop().call_soon(self._send, who, queue)

    def _send(self, who: Who | None, queue: _Queue) -> None:
        queue.scheduled = False
        while queue.waiting and queue.calls < CALLS:
            batch = queue.take()
            queue.calls += 1
            queue.files += len(batch)
            # One that goes alone goes as itself: with its request's id, trace and deadline.
            context = batch[0].context if len(batch) == 1 else contextvars.Context()
            task = asyncio.create_task(self._call(who, queue, batch), context=context)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        if not queue.calls and self._queues.get(who) is queue:
            del self._queues[who]

    async def _call(self, who: Who | None, queue: _Queue, batch: Sequence[_Waiting]) -> None:
        outcomes: Sequence[FileAttributes | ArtStoreError] = ()
        try:
            outcomes = await self._outcomes(batch, queue.identity)
        finally:
            for n, each in enumerate(batch):
                if not each.outcome.done():
                    _settle(each.outcome, outcomes[n] if outcomes else _unconfirmed())
            queue.calls -= 1
            queue.files -= len(batch)
            self._schedule(who, queue)

    async def _outcomes(
        self, batch: Sequence[_Waiting], identity: Identity | None
    ) -> Sequence[FileAttributes | ArtStoreError]:
        try:
            if len(batch) > 1 and time.monotonic() >= self._older_until:
                return await self._together(batch, identity)
            return await asyncio.gather(*(self._tried(each.request, identity) for each in batch))
        except ArtStoreError as error:
            return [_copied(error) for _ in batch]

    async def _together(
        self, batch: Sequence[_Waiting], identity: Identity | None
    ) -> Sequence[FileAttributes | ArtStoreError]:
        await reached(self._channel, StorageUnavailable)
        try:
            response = await self._several(
                _encoded(batch), timeout=remaining(STORING), metadata=metadata.on_behalf_of(identity)
            )
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.UNIMPLEMENTED:
                raise _failed(error) from error
            self._older_until = time.monotonic() + OLDER
            return await asyncio.gather(*(self._tried(each.request, identity) for each in batch))
        if len(response.results) != len(batch):
            raise InternalError("the storage element did not say of each file what became of it")
        return [_outcome(each) for each in response.results]

    async def _tried(self, request: bytes, identity: Identity | None) -> FileAttributes | ArtStoreError:
        try:
            return await self._alone(request, identity)
        except ArtStoreError as error:
            return error

    async def _alone(self, request: bytes, identity: Identity | None) -> FileAttributes:
        await reached(self._channel, StorageUnavailable)
        try:
            response = await self._one(request, timeout=remaining(STORING), metadata=metadata.on_behalf_of(identity))
        except grpc.aio.AioRpcError as error:
            raise _failed(error) from error
        with understood():
            return wire.file_from_proto(response.file)


def _encoded(batch: Sequence[_Waiting]) -> bytes:
    """A `StoreFilesRequest`: by hand, so that no content is copied more than once."""
    parts: list[bytes] = []
    for each in batch:
        given = each.request_id.encode()
        head = b"\x0a" + varint(len(each.request))
        tail = b"\x12" + varint(len(given)) + given
        parts += (b"\x0a", varint(len(head) + len(each.request) + len(tail)), head, each.request, tail)
    return b"".join(parts)


def _outcome(result: storage_pb2.StoreFilesResult) -> FileAttributes | ArtStoreError:
    if result.WhichOneof("outcome") == "error":
        return error_of(result.error)
    try:
        with understood():
            return wire.file_from_proto(result.file)
    except ArtStoreError as error:
        return error


def _settle(outcome: asyncio.Future[FileAttributes], value: FileAttributes | ArtStoreError) -> None:
    if isinstance(value, ArtStoreError):
        outcome.set_exception(value)
    else:
        outcome.set_result(value)


def _failed(error: grpc.aio.AioRpcError) -> ArtStoreError:
    return answered(error, StorageUnavailable) or _unconfirmed()


def _unconfirmed() -> StorageUnavailable:
    return StorageUnavailable.unconfirmed("the storage element did not confirm the file in time", retry_after=2)


def _copied(error: ArtStoreError) -> ArtStoreError:
    """Each has its own: whoever raises one adds to it where it was."""
    return type(error)(error.message, error.details, retry_after=error.retry_after)
