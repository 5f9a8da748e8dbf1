"""Do the operations that were started: each by one replica, and to its end, whoever has begun it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from types import TracebackType
from typing import Any, Protocol, Self

from services.admin.domain.operations import MOST_ATTEMPTS, Task
from services.admin.ports import Claims, OperationStore
from services.chassis.logs import get_logger
from services.model.clock import Clock
from services.model.errors import ArtStoreError, ErrorCode, ServiceUnavailable
from services.model.operations import (
    Operation,
    OperationFailure,
    OperationId,
    OperationKind,
    OperationState,
    Progress,
)

AT_ONCE = 8
"""Operations of one kind that one replica does at the same time: a scrub takes days, and keeps no sync waiting."""

Note = Callable[[Progress, Mapping[str, Any]], Awaitable[None]]
"""Tells how far it is, and what must be known to go on from there."""

log = get_logger(__name__)


class Work(Protocol):
    """How operations of one kind are done."""

    async def __call__(self, task: Task, note: Note) -> Mapping[str, Any]:
        """Return the result. Whatever `ArtStoreError` it raises is why it failed.

        May be cancelled at any time, and called again then. Raises `ServiceUnavailable` when Admin's own store is
        away: then it is called again, too.
        """
        ...


class RunOperations:
    """A call is one pass: it begins what is free, ends what is no longer ours, and does not wait for either."""

    def __init__(
        self,
        *,
        operations: OperationStore,
        claims: Claims,
        clock: Clock,
        kinds: Mapping[OperationKind, Work],
        ended: Callable[[Operation], None] = lambda _: None,
    ) -> None:
        """`ended`: told of each operation that ended here."""
        self._ended = ended
        self._operations = operations
        self._claims = claims
        self._clock = clock
        self._kinds = kinds
        self._running: dict[OperationId, asyncio.Task[None]] = {}
        self._kind_of: dict[OperationId, OperationKind] = {}
        """Of those."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._stop(*self._running)

    async def __call__(self) -> int:
        """Return how many are being done here. While the store is away, which tells by itself, none is."""
        try:
            there = {each.id: each for each in await self._operations.open()}
            held = await self._claims.hold([_claim(each) for each in self._wanted(there)])
        except ServiceUnavailable:
            await self._stop(*self._running)
            return 0
        await self._stop(*(each for each in self._running if _claim(each) not in held))
        for each in there.values():
            if _claim(each.id) in held:
                await self._tend(each)
        return len(self._running)

    def _wanted(self, there: Mapping[OperationId, Operation]) -> list[OperationId]:
        """Those that are being done here, and all others of a kind for which there is room.

        More are claimed than there is room for: others may hold some, and what is claimed in vain is somebody else's.
        """
        return [each for each in there if each in self._running or self._has_room(there[each].kind)]

    def _has_room(self, kind: OperationKind) -> bool:
        return sum(each is kind for each in self._kind_of.values()) < AT_ONCE

    async def _tend(self, operation: Operation) -> None:
        task = self._running.get(operation.id)
        if operation.cancel_requested:
            await self._stop(operation.id)
            self._tell(await self._operations.finish(operation.id, OperationState.CANCELLED, self._clock.now()))
        elif task is None and self._has_room(operation.kind):
            task = asyncio.create_task(self._do(operation))
            self._running[operation.id], self._kind_of[operation.id] = task, operation.kind
            task.add_done_callback(lambda _: self._over(operation.id))

    def _over(self, operation_id: OperationId) -> None:
        self._running.pop(operation_id, None)
        self._kind_of.pop(operation_id, None)

    async def _stop(self, *ids: OperationId) -> None:
        tasks = [self._running[each] for each in ids if each in self._running]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _do(self, operation: Operation) -> None:
        try:
            task = await self._operations.take(operation.id, self._clock.now())
            if task is not None:
                await self._finish(operation, *await self._outcome(task))
        except ServiceUnavailable:
            log.warning("the registry went away in the middle of an operation", operation=operation.id)
        except Exception:
            log.exception("an operation could not be ended", operation=operation.id)

    async def _outcome(self, task: Task) -> tuple[Mapping[str, Any] | None, OperationFailure | None]:
        operation = task.operation
        if task.attempts > MOST_ATTEMPTS:
            why = f"it was begun {MOST_ATTEMPTS} times and got no further: the process that did it ended, or its store"
            return None, OperationFailure(ErrorCode.INTERNAL_ERROR, why)
        if task.attempts > 1:
            log.warning("an interrupted operation goes on", operation=operation.id, attempt=task.attempts)

        async def note(progress: Progress, memory: Mapping[str, Any]) -> None:
            await self._operations.note(operation.id, progress, memory)

        try:
            return await self._kinds[operation.kind](task, note), None
        except ServiceUnavailable:
            raise
        except ArtStoreError as error:
            return None, OperationFailure(error.code, error.message)
        except Exception:
            log.exception("an operation failed", operation=operation.id, kind=operation.kind)
            return None, OperationFailure(ErrorCode.INTERNAL_ERROR, "a fault of ours; the log has it under this id")

    async def _finish(
        self, operation: Operation, result: Mapping[str, Any] | None, failure: OperationFailure | None
    ) -> None:
        state = OperationState.FAILED if failure else OperationState.SUCCEEDED
        self._tell(
            await self._operations.finish(operation.id, state, self._clock.now(), result=result, failure=failure)
        )
        tell = log.warning if failure else log.info
        tell("operation ended", operation=operation.id, kind=operation.kind, element_id=operation.element_id,
             state=state, reason=failure.message if failure else "")  # fmt: skip

    def _tell(self, ended: Operation | None) -> None:
        if ended is not None:  # else somebody else has ended it
            self._ended(ended)


def _claim(operation_id: OperationId) -> str:
    return f"operation {operation_id}"
