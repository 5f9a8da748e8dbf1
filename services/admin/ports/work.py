"""What the use cases need for work that goes on by itself. Stores raise `ServiceUnavailable` when they are away."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from services.admin.domain.feed import Step
from services.admin.domain.operations import Order, Task
from services.admin.domain.places import Place
from services.chassis.caller import Identity
from services.model.elements import ElementAddress
from services.model.feed import Change, FeedPosition
from services.model.ids import ElementId, StorageId
from services.model.maintenance import ReconcileProgress, ReconcileReport, ScrubProgress, ScrubReport
from services.model.operations import (
    Operation,
    OperationFailure,
    OperationFilter,
    OperationId,
    OperationKind,
    OperationState,
    Progress,
)


class FeedStore(Protocol):
    """How far the change feed of each element is known."""

    async def position(self, element_id: ElementId) -> FeedPosition | None:
        """After which to follow; None: the element is to be synced in full first."""
        ...

    async def begin(self, element_id: ElementId, position: FeedPosition) -> None:
        """Follow from there, unless that very feed is followed already."""
        ...

    async def forget(self, element_id: ElementId) -> None:
        """What is known of the element's changes says nothing any more."""
        ...

    async def apply(self, element_id: ElementId, step: Step) -> int:
        """Bring rows, mode and position up to what `step` says, in one transaction; return how many rows changed.

        Repeatable: `domain.registry.supersedes` decides each row. Raises `Conflict` when another feed is followed now.
        """
        ...


class FeedWitness(Protocol):
    """Whoever wants to know how following the elements goes. Never raises."""

    def begun(self, storage_id: StorageId) -> None:
        """The element is this process's to follow from now on."""
        ...

    def told(self, storage_id: StorageId, frames: Sequence[Change | FeedPosition]) -> None:
        """The element has told this, and the registry knows it."""
        ...

    def interrupted(self, storage_id: StorageId) -> None:
        """It cannot be followed now, or no more; it is tried again."""
        ...

    def reset(self, storage_id: StorageId) -> None:
        """Its feed is another one, or too old: it is synced in full."""
        ...

    def left(self, storage_id: StorageId) -> None:
        """It is not this process's to follow any more."""
        ...


class Reconciling(Protocol):
    """Elements that reconcile themselves."""

    def reconcile(
        self, address: ElementAddress, *, quick: bool, user: Identity
    ) -> AsyncGenerator[ReconcileProgress | ReconcileReport, None]:
        """How far it is, now and then, and last the report; of the one that runs already, if one does.

        `quick`: only sizes are compared. Raises `StorageUnavailable`, and what the element refuses with.
        """
        ...


class Scrubbing(Protocol):
    """Elements that read their bytes again."""

    def scrub(self, address: ElementAddress, *, user: Identity) -> AsyncGenerator[ScrubProgress | ScrubReport, None]:
        """How far it is, now and then, and last the report; of the one that runs already, if one does.

        Raises `StorageUnavailable`, and what the element refuses with.
        """
        ...


class OperationStore(Protocol):
    """Operations, those that have ended included."""

    async def start(self, order: Order, now: datetime) -> tuple[Operation, bool]:
        """Keep a new operation; or find the one of that kind on that element which is not over, and return False."""
        ...

    async def get(self, operation_id: OperationId) -> Operation | None:
        """One operation."""
        ...

    async def page(
        self, wanted: OperationFilter, *, limit: int, offset: int = 0, after: Place | None = None
    ) -> tuple[Sequence[Operation], int]:
        """At most `limit` operations, the latest first, and how many there are in all.

        They begin after `after` (whose name is the time in ISO 8601), or at `offset`.
        """
        ...

    async def open(self) -> Sequence[Operation]:
        """Those that are not over, the oldest first."""
        ...

    async def take(self, operation_id: OperationId, now: datetime) -> Task | None:
        """Begin it, or go on with it; None if it is over or gone."""
        ...

    async def note(self, operation_id: OperationId, progress: Progress, memory: Mapping[str, Any]) -> None:
        """Keep how far it is, and what must be known to go on from there."""
        ...

    async def finish(
        self,
        operation_id: OperationId,
        state: OperationState,
        now: datetime,
        *,
        result: Mapping[str, Any] | None = None,
        failure: OperationFailure | None = None,
    ) -> Operation | None:
        """End it; None if it is over already, or gone."""
        ...

    async def request_cancel(self, operation_id: OperationId) -> bool:
        """Whoever does it shall stop; False if it is over or gone."""
        ...

    async def last(self, kind: OperationKind, element_id: ElementId | None = None) -> Mapping[ElementId, Operation]:
        """The last operation of a kind on each element."""
        ...

    async def prune(self, before: datetime) -> int:
        """Forget those that ended before then; return how many."""
        ...


class Claims(Protocol):
    """Which of the replicas does what."""

    async def hold(self, names: Collection[str]) -> frozenset[str]:
        """From now on claim these names and no others; return those that are ours.

        A name that is ours stays ours until it is asked for no more, or this raises, or we die: then it is anybody's.
        Raises `ServiceUnavailable`, and everything is lost. Never two calls at a time.
        """
        ...
