"""What the use cases need of others. `on_behalf_of` is the user for whom something is asked, everywhere."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from services.chassis.caller import Identity
from services.model.elements import ElementAddress
from services.model.files import ByteRange, FileAttributes
from services.model.ids import FileId
from services.model.search import SearchRequest
from services.query.domain.ordering import Ordering, Position


@dataclass(frozen=True, slots=True)
class Record:
    """What the registry knows of a document. `file.status` is as last written, whatever the clock says."""

    file: FileAttributes
    element: ElementAddress


@dataclass(frozen=True, slots=True)
class Match:
    """A document that a search found."""

    file: FileAttributes
    score: float
    """How well the name matches, 0 to 1; 0 without a query."""
    position: Position
    """Where it stands in the order that was asked for."""


class Registry(Protocol):
    """The rows of all documents.

    Every method raises `ServiceUnavailable` while the registry does not answer, `DeadlineExceeded` when it takes too
    long.
    """

    async def record(self, file_id: FileId) -> Record | None:
        """The document's row, or None."""
        ...

    async def find(
        self, request: SearchRequest, ordering: Ordering, after: Position | None, *, limit: int, now: datetime
    ) -> Sequence[Match]:
        """At most `limit` documents that match at `now`, in that order, from `after` (exclusive) or the offset on.

        A document past its end counts as expired. Without a status the deleted ones are left out.
        Raises `ValidationFailed` for a condition that cannot be compared.
        """
        ...

    async def count(self, request: SearchRequest, *, now: datetime) -> int:
        """How many documents match at `now`, whatever the page; exactly up to 10,000, and about from there on."""
        ...


class ElementDownload(Protocol):
    """A download that an element has begun."""

    file: FileAttributes
    """As the element has it now."""
    range: ByteRange | None
    """The bytes that follow; None when all do."""

    def frames(self) -> AsyncIterator[bytes]:
        """Encoded chunk frames and, last, the encoded trailer frame. To be asked for once.

        Taken from the element only as fast as they are asked for here. Raises when the element breaks off.
        """
        ...


class Element(Protocol):
    """One storage element."""

    def download(
        self, file_id: FileId, wanted: ByteRange | None, *, on_behalf_of: Identity | None
    ) -> AbstractAsyncContextManager[ElementDownload]:
        """Entered once the element has said what follows; leaving cancels what is still under way.

        Raises `NotFound`, `StorageUnavailable` when it is not reached, and whatever it refuses with.
        """
        ...


class Elements(Protocol):
    """Reaches elements by their address."""

    def client(self, address: ElementAddress) -> Element:
        """The element there. Never fails: calls to it do."""
        ...


class Repairs(Protocol):
    """Keeps the registry true: Admin."""

    async def mark_missing(self, file_id: FileId, *, on_behalf_of: Identity | None) -> FileAttributes:
        """Report that the element answered NOT_FOUND. Returns the row after the element was asked again.

        Raises `ServiceUnavailable`, `NotFound`.
        """
        ...
