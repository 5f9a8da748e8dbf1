"""Operations in requests and answers."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from gateway.http.schemas.search import Cursor, Limit, Offset
from services.model.errors import ErrorCode
from services.model.ids import parse_element_id
from services.model.operations import Operation, OperationFilter, OperationKind, OperationState
from services.model.paging import DEFAULT_LIMIT, Page, PageRequest

MAX_WAIT = 50


class OperationProgress(msgspec.Struct, frozen=True):
    """How much of it is done."""

    done: int
    total: Annotated[int | None, Meta(description="Null while it is not known.")]
    unit: Annotated[str, Meta(description="What is counted, for example files.")]


class OperationError(msgspec.Struct, frozen=True):
    """Why it failed."""

    code: ErrorCode
    message: str


class OperationShown(msgspec.Struct, frozen=True):
    """Work on an element that takes longer than an answer."""

    id: str
    kind: OperationKind
    element_id: Annotated[str, Meta(description="The registration on which it works.")]
    state: OperationState
    progress: OperationProgress
    result: Annotated[dict[str, Any] | None, Meta(description="What came of it, once it has succeeded.")]
    error: Annotated[OperationError | None, Meta(description="Why it failed.")]
    cancel_requested: bool
    created_by: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class OperationPage(msgspec.Struct, frozen=True):
    """A part of the listing, the latest first."""

    items: list[OperationShown]
    total: int
    limit: int
    offset: int
    has_more: bool
    next_cursor: Annotated[str | None, Meta(description="For the next page; null on the last.")]


class OperationsQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which operations."""

    kind: OperationKind | None = None
    state: OperationState | None = None
    element_id: Annotated[str, Meta(description="Only on this element.")] = ""
    limit: Limit = DEFAULT_LIMIT
    offset: Offset = 0
    cursor: Cursor = ""

    def page(self) -> PageRequest:
        """Raises `ValidationFailed` naming every field that is wrong."""
        page = PageRequest(limit=self.limit, offset=self.offset, cursor=self.cursor)
        page.check()
        return page

    def wanted(self) -> OperationFilter:
        """Raises `ValidationFailed`."""
        element_id = parse_element_id(self.element_id) if self.element_id else None
        return OperationFilter(self.kind, self.state, element_id)


class Waiting(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """For how long the answer may wait."""

    wait: Annotated[int, Meta(ge=0, le=MAX_WAIT, description="Seconds to wait for its end.")] = 0

    @property
    def patience(self) -> timedelta:
        return timedelta(seconds=self.wait)


class ReconcileQuery(Waiting, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How a reconciliation is meant."""

    quick: Annotated[bool, Meta(description="Compare only sizes, do not read every byte.")] = False


class ScrubQuery(Waiting, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How a scrub is meant."""


class SyncQuery(Waiting, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How a sync is meant."""

    force: Annotated[bool, Meta(description="The disk is right, however much has gone from it or become older.")] = (
        False
    )


def operation_of(operation: Operation) -> OperationShown:
    """What an administrator sees of an operation."""
    progress, failure = operation.progress, operation.failure
    return OperationShown(
        id=operation.id,
        kind=operation.kind,
        element_id=operation.element_id,
        state=operation.state,
        progress=OperationProgress(progress.done, progress.total, progress.unit),
        result=None if operation.result is None else dict(operation.result),
        error=OperationError(failure.code, failure.message) if failure else None,
        cancel_requested=operation.cancel_requested,
        created_by=operation.created_by,
        created_at=operation.created_at,
        started_at=operation.started_at,
        finished_at=operation.finished_at,
    )


def operation_page(page: Page[Operation], asked: PageRequest) -> OperationPage:
    """A page of operations."""
    return OperationPage(
        items=[operation_of(operation) for operation in page.items],
        total=page.total,
        limit=asked.limit,
        offset=asked.offset,
        has_more=page.has_more,
        next_cursor=page.next_cursor or None,
    )
