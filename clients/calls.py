"""How a unary call is made: with a deadline, errors as the model's, the answer as the model's."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Final, TypeVar

import grpc

from clients.metadata import Metadata
from clients.retries import until_reached
from services.chassis.deadlines import remaining
from services.chassis.faults import DETAILS_KEY, from_rpc_error, translated
from services.model.errors import ArtStoreError, InternalError, ServiceUnavailable, ValidationFailed

CONNECTING: Final = 10.0
"""Seconds within which a peer must be reached."""
_HOPELESS = (grpc.ChannelConnectivity.TRANSIENT_FAILURE, grpc.ChannelConnectivity.SHUTDOWN)

Request = TypeVar("Request")
Response = TypeVar("Response")
Answer = TypeVar("Answer")


async def ask(
    method: grpc.aio.UnaryUnaryMultiCallable[Request, Response],
    request: Request,
    convert: Callable[[Response], Answer],
    *,
    seconds: float,
    metadata: Metadata,
    unavailable: type[ArtStoreError] = ServiceUnavailable,
    repeatable: bool = False,
) -> Answer:
    """Call `method` and return its converted answer; raises the error that the server raised.

    `seconds`: how long it may take at most, less where the present call has less left. A server that is not reached
    raises `unavailable`; if the call is `repeatable`, only after it was tried again for a while.
    """
    with translated(unavailable):
        once = partial(_once, method, request, seconds, metadata)
        response = await (until_reached(once) if repeatable else once())
    with understood():
        return convert(response)


async def _once(
    method: grpc.aio.UnaryUnaryMultiCallable[Request, Response], request: Request, seconds: float, metadata: Metadata
) -> Response:
    return await method(request, timeout=remaining(seconds), metadata=metadata)


async def reached(channel: grpc.aio.Channel, unavailable: type[ArtStoreError]) -> None:
    """Return once the peer is connected: what it is asked from here on it may have done, even if no answer comes.

    Raises `unavailable` if it cannot be connected to, which is certain to have done nothing.
    """
    state = channel.get_state(try_to_connect=True)
    try:
        async with asyncio.timeout(CONNECTING):
            while state is not grpc.ChannelConnectivity.READY:
                if state in _HOPELESS:
                    raise unavailable("cannot be reached now; try again", retry_after=2)
                await channel.wait_for_state_change(state)
                state = channel.get_state(try_to_connect=True)
    except TimeoutError:
        raise unavailable("cannot be reached now; try again", retry_after=2) from None


def answered(error: grpc.aio.AioRpcError, unavailable: type[ArtStoreError]) -> ArtStoreError | None:
    """What the peer answered; None where it did not, or gRPC gave the call up: nobody knows then what it has done."""
    ours = any(key == DETAILS_KEY for key, _ in tuple(error.trailing_metadata() or ()))
    refused = error.code() in (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED)
    return from_rpc_error(error, unavailable) if ours or refused else None


@contextmanager
def understood() -> Iterator[None]:
    """Around the conversion of an answer: a peer's malformed answer is no fault of the user's."""
    try:
        yield
    except ValidationFailed as error:
        raise InternalError("a service gave an answer that cannot be understood") from error
