"""How a unary call is made: with a deadline, errors as the model's, the answer as the model's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import grpc

from clients.metadata import Metadata
from clients.retries import attempts
from services.chassis.deadlines import remaining
from services.chassis.faults import translated
from services.model.errors import ArtStoreError, InternalError, ServiceUnavailable, ValidationFailed

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
        response = await (_until_reached if repeatable else _once)(method, request, seconds, metadata)
    with understood():
        return convert(response)


async def _once(
    method: grpc.aio.UnaryUnaryMultiCallable[Request, Response], request: Request, seconds: float, metadata: Metadata
) -> Response:
    return await method(request, timeout=remaining(seconds), metadata=metadata)


async def _until_reached(
    method: grpc.aio.UnaryUnaryMultiCallable[Request, Response], request: Request, seconds: float, metadata: Metadata
) -> Response:
    async for attempt in attempts():
        with attempt:
            return await _once(method, request, seconds, metadata)
    raise AssertionError("the attempts neither returned nor raised")


@contextmanager
def understood() -> Iterator[None]:
    """Around the conversion of an answer: a peer's malformed answer is no fault of the user's."""
    try:
        yield
    except ValidationFailed as error:
        raise InternalError("a service gave an answer that cannot be understood") from error
