"""A call is made again only where nobody was reached, and only for a while."""

from __future__ import annotations

from typing import Any

import grpc
import pytest

from clients import retries
from clients.calls import ask
from services.chassis.faults import DETAILS_KEY, details_of
from services.model.errors import ServiceUnavailable, StorageUnavailable

NOBODY = grpc.aio.AioRpcError(grpc.StatusCode.UNAVAILABLE, grpc.aio.Metadata(), grpc.aio.Metadata())
DROPPED = grpc.aio.AioRpcError(grpc.StatusCode.CANCELLED, grpc.aio.Metadata(), grpc.aio.Metadata())
BEHIND = grpc.aio.AioRpcError(
    grpc.StatusCode.UNAVAILABLE,
    grpc.aio.Metadata(),
    grpc.aio.Metadata((DETAILS_KEY, details_of(StorageUnavailable("the element is away")))),
)
REFUSED = grpc.aio.AioRpcError(grpc.StatusCode.PERMISSION_DENIED, grpc.aio.Metadata(), grpc.aio.Metadata())


class Method:
    """Fails as told, then answers."""

    def __init__(self, *failures: Exception) -> None:
        self._failures = list(failures)
        self.calls = 0

    async def __call__(self, *_: Any, **__: Any) -> str:
        self.calls += 1
        if self._failures:
            raise self._failures.pop(0)
        return "answer"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "FIRST", 0.001)
    monkeypatch.setattr(retries, "LONGEST", 0.01)


async def call(method: Any, *, repeatable: bool = True) -> str:
    return await ask(method, "request", str, seconds=5, metadata=(), repeatable=repeatable)


async def test_a_process_that_restarts_is_asked_again() -> None:
    method = Method(DROPPED, NOBODY, NOBODY)
    assert await call(method) == "answer"
    assert method.calls == 4


@pytest.mark.parametrize("error", [NOBODY, DROPPED])
async def test_what_must_not_be_repeated_is_not(error: Exception) -> None:
    method = Method(error)
    with pytest.raises(ServiceUnavailable):
        await call(method, repeatable=False)
    assert method.calls == 1


@pytest.mark.parametrize("error", [BEHIND, REFUSED])
async def test_an_answer_is_an_answer(error: Exception) -> None:
    method = Method(error)
    with pytest.raises(Exception):  # noqa: B017 - which one is tested elsewhere
        await call(method)
    assert method.calls == 1


async def test_it_gives_up_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "PATIENCE", 0.1)
    with pytest.raises(ServiceUnavailable):
        await call(Method(*[NOBODY] * 1000))
