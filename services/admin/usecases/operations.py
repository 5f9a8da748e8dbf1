"""Start operations, look at them, wait for them, stop them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from services.admin.domain.operations import ITSELF, Order, covers, due
from services.admin.domain.places import Place, page_of, read_place
from services.admin.ports import ElementStore, OperationStore
from services.chassis.caller import Identity
from services.chassis.logs import get_logger
from services.model.clock import Clock
from services.model.elements import ElementStatus
from services.model.errors import Conflict, NotFound, ServiceUnavailable, ValidationFailed
from services.model.ids import ElementId
from services.model.operations import Operation, OperationFilter, OperationId, OperationKind, OperationState
from services.model.paging import Page, PageRequest

LOOK = 0.2
"""Seconds between two looks at an operation that somebody waits for."""
LONGEST_WAIT = timedelta(seconds=50)
CANCELLING = timedelta(seconds=3)
"""How long whoever cancels waits for that to take effect."""
KEPT = timedelta(days=30)
"""How long an operation is shown after its end."""

log = get_logger(__name__)


class StartOperation:
    """Start something on an element, unless the same is being done already."""

    def __init__(
        self, *, operations: OperationStore, elements: ElementStore, clock: Clock, nudge: Callable[[], None]
    ) -> None:
        """`nudge`: whoever does operations shall look for new ones."""
        self._operations = operations
        self._elements = elements
        self._clock = clock
        self._nudge = nudge

    async def __call__(
        self, kind: OperationKind, element_id: ElementId, arguments: Mapping[str, Any], *, by: str
    ) -> tuple[Operation, bool]:
        """The operation, and whether it is new. Raises `NotFound`; `Conflict` where one runs that does less."""
        if await self._elements.get(element_id) is None:
            raise NotFound("there is no such storage element")
        order = Order(kind, element_id, by, arguments)
        operation, created = await self._operations.start(order, self._clock.now())
        if created:
            log.warning("audit: an operation was started", by=by, kind=kind, element_id=element_id,
                        operation=operation.id, arguments=dict(arguments))  # fmt: skip
        elif not covers(operation.arguments, arguments):
            raise Conflict("the same runs already, but without what is asked for: wait for its end, or cancel it")
        self._nudge()
        return operation, created


class ListOperations:
    """A page of operations, the latest first."""

    def __init__(self, *, operations: OperationStore) -> None:
        self._operations = operations

    async def __call__(self, wanted: OperationFilter, page: PageRequest) -> Page[Operation]:
        """Raises `ValidationFailed` for a cursor that no listing gave out."""
        after = read_place(page.cursor)
        _check_time(after)
        rows, total = await self._operations.page(wanted, limit=page.limit + 1, offset=page.offset, after=after)
        return page_of(rows, total, page, lambda each: Place(each.created_at.isoformat(), each.id))


class GetOperation:
    """One operation, as it is or as it becomes."""

    def __init__(self, *, operations: OperationStore) -> None:
        self._operations = operations

    async def __call__(self, operation_id: OperationId) -> Operation:
        """Raises `NotFound`."""
        operation = await self._operations.get(operation_id)
        if operation is None:
            raise NotFound("there is no such operation")
        return operation

    async def wait(self, operation: Operation, patience: timedelta) -> Operation:
        """The operation once it has ended, or as it is after `patience`."""
        try:
            async with asyncio.timeout(min(patience, LONGEST_WAIT).total_seconds()):
                while not operation.ended:
                    await asyncio.sleep(LOOK)
                    operation = await self(operation.id)
        except TimeoutError:
            pass
        return operation

    async def watch(self, operation_id: OperationId) -> AsyncGenerator[Operation, None]:
        """The operation now and whenever it has changed, until it has ended. Raises `NotFound`."""
        told = await self(operation_id)
        yield told
        while not told.ended:
            await asyncio.sleep(LOOK)
            operation = await self(operation_id)
            if operation != told:
                yield operation
            told = operation


class CancelOperation:
    """Stop an operation; what it has done so far stays done."""

    def __init__(self, *, operations: OperationStore, get: GetOperation, nudge: Callable[[], None]) -> None:
        self._operations = operations
        self._get = get
        self._nudge = nudge

    async def __call__(self, operation_id: OperationId, *, user: Identity) -> Operation:
        """The operation, cancelled or about to be. Raises `NotFound`, and `Conflict` if it has ended in another way."""
        operation = await self._get(operation_id)
        if not operation.ended and await self._operations.request_cancel(operation_id):
            log.warning("audit: an operation was cancelled", by=user.subject, operation=operation_id)
            self._nudge()
            operation = await self._get.wait(replace(operation, cancel_requested=True), CANCELLING)
        if operation.ended and operation.state is not OperationState.CANCELLED:
            raise Conflict(f"the operation has ended: it {operation.state}")
        return operation


class ScheduleSyncs:
    """One pass: start the full syncs that are due, of all elements at once; forget old operations."""

    def __init__(
        self,
        *,
        operations: OperationStore,
        elements: ElementStore,
        start: StartOperation,
        clock: Clock,
        interval: timedelta,
    ) -> None:
        self._operations = operations
        self._elements = elements
        self._start = start
        self._clock = clock
        self._interval = interval

    async def __call__(self) -> int:
        """Return how many were started; none while the store is away, which tells by itself."""
        try:
            return await self._pass(self._clock.now())
        except ServiceUnavailable:
            return 0

    async def _pass(self, now: datetime) -> int:
        last = await self._operations.last(OperationKind.SYNC)
        elements = [
            each.element_id
            for each in await self._elements.all()
            if each.health.status is not ElementStatus.OFFLINE and due(last.get(each.element_id), now, self._interval)
        ]
        for element_id in elements:
            await self._start(OperationKind.SYNC, element_id, {}, by=ITSELF)
        await self._operations.prune(now - KEPT)
        return len(elements)


def _check_time(place: Place | None) -> None:
    try:
        if place is not None and datetime.fromisoformat(place.name).tzinfo is None:
            raise ValueError
    except ValueError:
        raise ValidationFailed.of("cursor", "is not one that a listing gave out") from None
