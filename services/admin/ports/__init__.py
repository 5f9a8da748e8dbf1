"""What Admin's use cases need of the world. Every store raises `ServiceUnavailable` when it cannot be reached."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol

from services.admin.domain.elements import ElementRecord
from services.admin.domain.listing import ElementFilter, Position
from services.admin.domain.registry import Entry, Located
from services.admin.domain.sync import Known
from services.admin.domain.sync import Place as SyncPlace
from services.admin.ports.identity import (
    AccountStore,
    KeyStore,
    KeysUnreadable,
    LoginGuard,
    Passwords,
    SecondFactors,
    SessionStore,
    UserStore,
)
from services.admin.ports.work import Claims, FeedStore, FeedWitness, OperationStore, Reconciling, Scrubbing
from services.chassis.caller import Identity
from services.model.elements import ElementAddress, ElementInfo, Mode
from services.model.feed import Change, FeedPosition, FileListing
from services.model.files import FileAttributes, FileStatus
from services.model.ids import ElementId, FileId, QuarantineId
from services.model.maintenance import Collected, QuarantineItem, Verified
from services.model.paging import Page, PageRequest


class ElementStore(Protocol):
    """Registered storage elements."""

    async def all(self) -> Sequence[ElementRecord]:
        """Every element, by storage id."""
        ...

    async def page(
        self, wanted: ElementFilter, *, limit: int, offset: int = 0, after: Position | None = None
    ) -> tuple[Sequence[ElementRecord], int]:
        """At most `limit` elements in the order of name (by code point) and id, and how many there are in all.

        They begin after `after`, or at `offset`.
        """
        ...

    async def get(self, element_id: ElementId) -> ElementRecord | None:
        """One element."""
        ...

    async def register(self, record: ElementRecord, *, name: str | None) -> tuple[ElementRecord, bool]:
        """Add the element, or, if its identity is known, move that one to the endpoint of `record`.

        Returns the row and whether it is new. A known element keeps its id, creation time and, unless `name` is given,
        its name; a new one has that of `record`. Raises `Conflict` when the storage id belongs to another directory or
        the directory to another storage id.
        """
        ...

    async def observe(self, record: ElementRecord) -> bool:
        """Keep what was seen of an element: `info`, `health`, `last_seen_at`.

        Nothing is kept, and False returned, if the element has been moved to another endpoint or removed meanwhile.
        """
        ...

    async def change(self, record: ElementRecord) -> bool:
        """Keep name, endpoint and what was seen of an element; False, and nothing, if it is not registered any more."""
        ...

    async def avoid(self, element_id: ElementId, until: datetime) -> bool:
        """New documents go elsewhere until then, if they can; False if it is not registered."""
        ...

    async def complain(self, element_id: ElementId, text: str, at: datetime) -> None:
        """A sync has found something amiss: until the next one that ends well the element counts as degraded."""
        ...

    async def synced(self, element_id: ElementId, at: datetime) -> None:
        """A sync has ended well: there is nothing to complain of any more."""
        ...

    async def remove(self, element_id: ElementId) -> bool:
        """Forget an element; False if it was not registered. Raises `Conflict` while the registry has files of it."""
        ...


class ElementControl(Protocol):
    """Storage elements, asked in the name of a user.

    Everything raises `StorageUnavailable` when the element is not reached, and what the element refuses with.
    """

    async def info(self, address: ElementAddress, *, user: Identity) -> ElementInfo: ...

    async def files(
        self, address: ElementAddress, status: FileStatus | None, page: PageRequest, *, user: Identity
    ) -> Page[FileAttributes]:
        """A page of its files (None: of any status), oldest first."""
        ...

    async def transition_mode(
        self, address: ElementAddress, target: Mode, *, confirm: bool, user: Identity
    ) -> ElementInfo:
        """Change its mode; what it is afterwards. Raises `InvalidTransition`, `ConfirmationRequired`."""
        ...

    async def run_gc(self, address: ElementAddress, *, confirm_clock: bool, user: Identity) -> Collected:
        """Have it collect its garbage. `confirm_clock`: its clock is right, whatever it thinks of it itself."""
        ...


class ElementKeeping(Protocol):
    """The state of the elements' files, asked in the name of a user.

    Everything raises `StorageUnavailable` when the element is not reached, and what the element refuses with.
    """

    async def verify(self, address: ElementAddress, file_id: FileId, *, user: Identity) -> Verified:
        """Have a file read again. Raises `NotFound`, `FileDeleted`, `FileExpired`, `FileDamaged`, `ModeNotAllowed`."""
        ...

    async def quarantine(self, address: ElementAddress, page: PageRequest, *, user: Identity) -> Page[QuarantineItem]:
        """A page of what it has set aside, oldest first."""
        ...

    async def restore(self, address: ElementAddress, item_id: QuarantineId, *, user: Identity) -> FileAttributes:
        """Put something back. Raises `NotFound`, `Conflict` with the reason why it cannot be."""
        ...


class FileRegistry(Protocol):
    """One row a document."""

    async def record(self, entries: Sequence[Entry]) -> Sequence[FileAttributes]:
        """Bring rows up to what elements answered; return the rows as they are now, in the order of `entries`.

        All or none; repeatable, and right in any order: `domain.registry.supersedes` decides each row. Raises
        `NotFound` when an element is not registered.
        """
        ...

    async def find(self, file_id: FileId) -> Located | None:
        """One row."""
        ...

    async def mark_missing(self, seen: Located) -> FileAttributes:
        """Set the row's status to missing, if it is still as `seen`: same revision, same element.

        Returns the row as it is now. Raises `NotFound` when there is none.
        """
        ...

    async def forget(self, element_id: ElementId, *, limit: int) -> int:
        """Forget rows of an element, at most `limit`; return how many went."""
        ...

    async def bring(self, entries: Sequence[Entry]) -> int:
        """As `record`, for many: return how many rows have changed."""
        ...

    async def overrule(self, entries: Sequence[Entry], seen: Mapping[FileId, Known]) -> int:
        """Make rows what the element says, whatever they say, each if it is still as it was seen; return how many were.

        Not for what has no row. Who has asked the element after it saw the row takes nothing back that came later.
        """
        ...

    async def add(self, entries: Sequence[Entry]) -> None:
        """As `bring`, for files that had no row a moment ago, which is cheaper; those that have one now are brought.

        They may be forgotten if PostgreSQL's own machine fails at this moment, unless something that was written
        after them is kept.
        """
        ...

    async def stretch(
        self, element_id: ElementId, ids: Sequence[FileId], after: SyncPlace | None, until: SyncPlace | None
    ) -> Sequence[Known]:
        """The rows of `ids`, and all rows of the element from `after` (exclusive; None: the first) to `until`.

        `until` None: to the last.
        """
        ...

    async def mark_gone(self, element_id: ElementId, gone: Sequence[tuple[FileId, int]]) -> int:
        """Mark files missing, each if it is still on that element with that revision; return how many were."""
        ...


class ElementPeer(Protocol):
    """Asks elements themselves, over their own certificates.

    Raises `StorageUnavailable` when one is not reached, `DeadlineExceeded` when it does not answer in time, and
    `ValidationFailed` or `InternalError` when its answer makes no sense.
    """

    async def identify(self, endpoint: str) -> ElementInfo:
        """Ask whoever answers at `endpoint` ("host:port") what it is. Any element's certificate will do."""
        ...

    async def info(self, address: ElementAddress) -> ElementInfo:
        """Ask one particular element how it is; no other one's certificate will do. Takes 2 seconds at most."""
        ...

    async def file(self, address: ElementAddress, file_id: FileId) -> FileAttributes:
        """Ask for one file's attributes. Raises `NotFound` when the element does not know it."""
        ...

    async def list_files(self, address: ElementAddress, cursor: str) -> FileListing:
        """A page of the files that it has, of any status, in the order of upload."""
        ...

    def watch(
        self, address: ElementAddress, since: FeedPosition
    ) -> AbstractAsyncContextManager[AsyncIterator[FeedPosition | Change]]:
        """Its changes after `since`, in order, for ever; the position itself comes first, and as a sign of life.

        The iterator raises `FeedReset` when it cannot go on from there, `StorageUnavailable` when the element is gone.
        """
        ...


__all__ = [
    "AccountStore",
    "Claims",
    "ElementControl",
    "ElementKeeping",
    "ElementPeer",
    "ElementStore",
    "FeedStore",
    "FeedWitness",
    "FileRegistry",
    "KeyStore",
    "KeysUnreadable",
    "LoginGuard",
    "OperationStore",
    "Passwords",
    "Reconciling",
    "Scrubbing",
    "SecondFactors",
    "SessionStore",
    "UserStore",
]
