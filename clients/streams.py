"""Streams of bytes, as their sender and as their receiver see them. Both work on encoded frames (see `frames`)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any, Final, Generic, Self, TypeVar

import grpc

from clients.frames import is_last
from clients.retries import until_reached
from services.chassis.deadlines import IDLE, idle
from services.chassis.faults import from_rpc_error, translated
from services.model.errors import ArtStoreError, InternalError

Response = TypeVar("Response")

ACCEPTED: Final = "artstore-accepted"
"""Initial metadata that a receiver sends once it has checked an upload's header: chunks may come now."""
ACCEPTING = 10.0
"""Seconds within which a peer must be reached and say whether it takes, or has, what is asked."""
COMMITTING = 120.0
"""Seconds that a receiver may take to make what it received durable."""


async def leave(call: grpc.aio.StreamUnaryCall[Any, Any]) -> None:
    """Cancel an upload unless it has ended, and free its stream of the connection now.

    A cancelled one is kept by its own traceback until Python collects garbage, and gRPC counts it among the streams
    that a connection may have until then: clients that break off their uploads would use them up. Who asks for the
    outcome is given that traceback, and it goes.
    """
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)


class UploadStream(Generic[Response]):
    """An upload under way. Its owner cancels the call on every way out that is not a success."""

    def __init__(
        self, call: grpc.aio.StreamUnaryCall[bytes, Response], *, peer: str, unavailable: type[ArtStoreError]
    ) -> None:
        """`peer`: for messages, "the storage element"; `unavailable`: what a peer that is not there raises."""
        self._call = call
        # `call.write` turns a write that fails because the peer has just refused the upload into a status INTERNAL
        # of its own, and the peer's word is lost for good; what lies below it does not.
        self._wire: Any = call._cython_call  # type: ignore[attr-defined]  # noqa: SLF001 - see above
        self._connected = False
        self._peer = peer
        self._unavailable = unavailable

    async def open(self, header: bytes) -> None:
        """Send the header frame and wait until the peer says `ACCEPTED`. Raises what the peer refuses it with.

        Only for peers that say so; to others the header goes as the first frame of `send`.
        """
        try:
            async with asyncio.timeout(ACCEPTING):
                if await self._write(header) and await self._accepted():
                    return
        except TimeoutError:
            raise self._late("did not answer in time") from None
        raise await self._refusal()

    async def send(self, frames: AsyncIterator[bytes]) -> None:
        """Send all frames. A refusal is raised as soon as the peer makes it, even while `frames` has nothing to give.

        Whatever `frames` raises is raised here; then the call must be cancelled.
        """
        sending = asyncio.create_task(self._send(frames))
        ended = asyncio.create_task(self._call.code())
        try:
            await asyncio.wait({sending, ended}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            # Awaited to the end, so that `frames` has been left before its owner closes it.
            interrupted = sending.cancel()
            ended.cancel()
            await asyncio.gather(sending, ended, return_exceptions=True)
        if interrupted or not sending.result():
            raise await self._refusal()

    async def finish(self, commit: bytes | None) -> Response:
        """Send the last frame, unless it was sent, and wait for the answer. Raises what the peer refuses it with."""
        try:
            async with asyncio.timeout(COMMITTING):
                if commit is None or await self._write(commit):
                    with contextlib.suppress(grpc.aio.InternalError):  # it has ended: its status says why
                        await self._call.done_writing()
                return await self._call
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error, self._unavailable) from error
        except TimeoutError:
            raise self._late("did not confirm in time") from None

    async def _send(self, frames: AsyncIterator[bytes]) -> bool:
        """Whether all frames went out; False when the call ended before."""
        async for frame in frames:
            try:
                async with asyncio.timeout(IDLE):
                    if not await self._write(frame):
                        return False
            except TimeoutError:
                raise self._late(f"took no data for {IDLE:g} seconds") from None
        return True

    async def _write(self, frame: bytes) -> bool:
        """Whether the frame went out; False when the call has ended: its status, which may come later, says why."""
        try:
            if not self._connected:
                await self._call.wait_for_connection()
                self._connected = True
            await self._wire.send_serialized_message(frame)
        except (grpc.aio.AioRpcError, grpc.aio.InternalError):
            return False
        return True

    async def _accepted(self) -> bool:
        return any(key == ACCEPTED for key, _ in await self._call.initial_metadata())

    async def _refusal(self) -> ArtStoreError:
        """Why the call ended before its time."""
        try:
            async with asyncio.timeout(ACCEPTING):
                await self._call
        except grpc.aio.AioRpcError as error:
            return from_rpc_error(error, self._unavailable)
        except TimeoutError:
            return self._late("broke off")
        return InternalError(f"{self._peer} answered before the upload was complete")

    def _late(self, what: str) -> ArtStoreError:
        return self._unavailable(f"{self._peer} {what}; try again", retry_after=2)


class DownloadStream:
    """A download under way. Its owner cancels it on the way out."""

    def __init__(
        self, call: grpc.aio.UnaryStreamCall[Any, bytes], *, peer: str, unavailable: type[ArtStoreError]
    ) -> None:
        """`peer`: for messages, "the storage element"; `unavailable`: what a peer that is not there raises."""
        self._call = call
        self._peer = peer
        self._unavailable = unavailable

    @classmethod
    async def begin(
        cls,
        start: Callable[[], grpc.aio.UnaryStreamCall[Any, bytes]],
        *,
        peer: str,
        unavailable: type[ArtStoreError],
    ) -> tuple[bytes, Self]:
        """Make the call; return its header frame and the stream. Raises what the peer refuses the download with.

        Made again for a while where the peer is not reached: no byte has been seen yet.
        """

        async def once() -> tuple[bytes, Self]:
            stream = cls(start(), peer=peer, unavailable=unavailable)
            try:
                return await stream._open(), stream
            except BaseException:
                stream.cancel()
                raise

        with translated(unavailable):
            return await until_reached(once)

    def cancel(self) -> None:
        """End it, wherever it is."""
        self._call.cancel()

    async def _open(self) -> bytes:
        try:
            async with asyncio.timeout(ACCEPTING):
                frame = await self._call.read()
        except TimeoutError:
            raise self._unavailable(f"{self._peer} did not answer in time; try again", retry_after=2) from None
        if not isinstance(frame, bytes):
            raise InternalError(f"{self._peer} answered nothing")
        return frame

    async def frames(self) -> AsyncIterator[bytes]:
        """The chunk frames and, last, the trailer frame. Raises when the stream ends in any other way."""
        complete = False
        async for frame in idle(self._frames()):
            complete = is_last(frame)
            yield frame
        if not complete:
            raise self._unavailable(f"{self._peer} broke off; try again", retry_after=2)

    async def _frames(self) -> AsyncIterator[bytes]:
        try:
            while isinstance(frame := await self._call.read(), bytes):
                yield frame
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error, self._unavailable) from error
