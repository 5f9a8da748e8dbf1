"""Operations: work that takes longer than an answer, and how far it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, NewType

from services.model.errors import ErrorCode
from services.model.ids import ElementId

OperationId = NewType("OperationId", str)
"""A UUID in canonical lower-case text."""


class OperationKind(StrEnum):
    """What is done."""

    SYNC = "sync"
    """The registry is compared with all that an element holds."""
    RECONCILE = "reconcile"
    """An element compares its attribute files with its file system."""
    SCRUB = "scrub"
    """An element reads every byte again."""


class OperationState(StrEnum):
    """How far it is."""

    PENDING = "pending"
    """Nobody has begun it yet."""
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


ENDED = frozenset({OperationState.SUCCEEDED, OperationState.FAILED, OperationState.CANCELLED})
"""States that are never left again."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How much of it is done."""

    done: int = 0
    total: int | None = None
    """None while that is not known."""
    unit: str = "files"


@dataclass(frozen=True, slots=True)
class OperationFailure:
    """Why it failed."""

    code: ErrorCode
    message: str


@dataclass(frozen=True, slots=True)
class Operation:
    """One piece of work on one element."""

    id: OperationId
    kind: OperationKind
    element_id: ElementId
    state: OperationState
    created_by: str
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    progress: Progress = field(default_factory=Progress)
    result: Mapping[str, Any] | None = None
    """What came of it, once it has succeeded; JSON."""
    failure: OperationFailure | None = None
    cancel_requested: bool = False
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """What was asked for; JSON."""

    @property
    def ended(self) -> bool:
        return self.state in ENDED


@dataclass(frozen=True, slots=True)
class OperationFilter:
    """Which operations are wanted; None: any."""

    kind: OperationKind | None = None
    state: OperationState | None = None
    element_id: ElementId | None = None
