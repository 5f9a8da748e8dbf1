"""What the use cases need of the world, each with its contract in words.

`tests/contract/storage` holds one suite for each port, run for the in-memory and the real store.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from services.model.elements import ReplicaMode, Role
from services.model.feed import Change, Destroyed, DestroyedPage, FeedPosition
from services.model.files import ByteRange, FileAttributes, FileStatus, JsonObject
from services.model.ids import FileId, QuarantineId, UploadId
from services.model.maintenance import QuarantineItem
from services.model.paging import Page, PageRequest
from services.storage.domain.changes import Decision
from services.storage.domain.documents import Document
from services.storage.domain.election import Leader
from services.storage.domain.keeping import Actual, Examined, Reason
from services.storage.domain.modes import ModeState
from services.storage.domain.resumable import OpenUpload
from services.storage.domain.scrubbing import Round
from services.storage.domain.space import Room
from services.storage.domain.surveying import Strange, Surveyed

Bytes = bytes | memoryview
"""Content as it comes from the wire; not copied on its way to the disk."""
Pace = Callable[[int], Awaitable[None]]
"""Told of every so many bytes that were read; returns when more may be."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What an element holds, as far as its index knows."""

    files: Mapping[FileStatus, int]
    """How many, by status."""
    used: int
    """Bytes of content, that of deleted files included until it is collected."""


class Modes(Protocol):
    """Where the element's mode is kept."""

    async def keep(self, state: ModeState) -> None:
        """Keep it durably.

        Raises `StorageFull` (nothing has changed), `StorageUnavailable` (which mode is kept is not known; the element
        writes nothing any more, so nothing can happen under the wrong one).
        """
        ...


class Leadership(Protocol):
    """One process's part in the leadership of an element that several serve."""

    @property
    def leading(self) -> bool:
        """From the claim on until `leave`."""
        ...

    @property
    def accepting(self) -> bool:
        """From `accept` on until `leave`."""
        ...

    async def look(self) -> tuple[Leader | None, int]:
        """Who says that he leads, and the latest epoch of all. Raises `StorageUnavailable`."""
        ...

    async def mode(self) -> ModeState | None:
        """The mode as it is kept; None if none was yet. Raises `StorageUnavailable`."""
        ...

    async def try_lock(self) -> bool:
        """Whether we have the lock now. Raises `StorageUnavailable`."""
        ...

    async def unlock(self) -> None:
        """Give the lock back, if we have it."""
        ...

    async def claim(self, epoch: int) -> None:
        """Begin an epoch: no earlier one can commit anything when this returns. Nothing is accepted yet.

        Raises `Deposed` if another process was faster, `StorageUnavailable`.
        """
        ...

    async def recover(self) -> ModeState:
        """Settle what the leaders before left open; the mode that holds now. Raises `StorageUnavailable`."""
        ...

    def accept(self) -> None:
        """From now on this process writes."""
        ...

    async def beat(self) -> None:
        """Show life. Raises `Deposed` if a later epoch has begun or no beat could be written for too long.

        Raises `StorageUnavailable` if only this one could not be written.
        """
        ...

    async def leave(self, reason: str) -> None:
        """Write nothing from now on, and give the lock back. Repeatable."""
        ...


class Peers(Protocol):
    """The other processes of the element."""

    async def leads(self, leader: Leader) -> bool:
        """Whether the process there says, within a second, that it leads."""
        ...


class Standing(Protocol):
    """What this process is among those of its element."""

    @property
    def replica_mode(self) -> ReplicaMode: ...

    @property
    def role(self) -> Role: ...

    @property
    def writable(self) -> bool:
        """Whether writes that come here are done, by this process or by the leader that it forwards them to."""
        ...

    async def check(self) -> None:
        """Return if the element has a leader, as far as this process knows. Raises `StorageUnavailable`."""
        ...


class Collections(Protocol):
    """When garbage was last collected: the witness against a clock that jumps. For reconciliation, when it last ran."""

    async def last(self) -> datetime | None:
        """None if it never was. Raises `StorageUnavailable` if what was written down cannot be trusted."""
        ...

    async def keep(self, ran_at: datetime) -> None:
        """Write it down durably. Raises `StorageFull`, `StorageUnavailable`."""
        ...


class Incoming(Protocol):
    """One file's content on its way in. Nobody sees it before `commit` has returned."""

    async def write(self, chunk: Bytes) -> None:
        """Take the next bytes; they may lie in memory for a while (bounded), but not be changed any more.

        Raises `StorageFull` when the disk is, `StorageUnavailable` when it fails.
        """
        ...

    async def finish(self) -> str:
        """Make all bytes durable; their SHA-256. No `write` after it. Raises as `write`."""
        ...

    async def commit(self, attributes: FileAttributes, unknown: JsonObject | None = None) -> FileAttributes:
        """Make the file visible, under its lock: durable when this returns, with its epoch filled in.

        `unknown`: members of its attribute file that this software gives no meaning to. Whether it was ever destroyed
        here is looked at, too: raises `FileDeleted` or `FileExpired` if it was.
        If the id is taken by a file of the same size and digest, that one is returned and this content dropped.
        Raises `Conflict` if the id is taken by other content, `StorageFull` (nothing was kept), `StorageUnavailable`
        (outcome unknown). Once begun it must be awaited to its end.
        """
        ...


class Content(Protocol):
    """A stored file's bytes on their way out."""

    async def read(self) -> bytes:
        """The next bytes, at most 1 MiB; empty at the end. Raises `StorageUnavailable` when the disk fails."""
        ...

    @property
    def sha256(self) -> str:
        """Of all bytes read so far."""
        ...


class Appending(Protocol):
    """Bytes on their way into an upload."""

    async def write(self, chunk: Bytes) -> None:
        """Take the next bytes; now and then they are acknowledged. Raises `StorageFull`, `StorageUnavailable`."""
        ...

    async def acknowledge(self) -> OpenUpload:
        """Make all that was written durable; the upload as it stands. Raises as `write`."""
        ...


class Uploads(Protocol):
    """The resumable uploads of one element, completed ones too until they are removed.

    Whoever changes one holds it. Every method raises `StorageUnavailable` while this process does not lead.
    """

    def held(self, upload_id: UploadId) -> AbstractAsyncContextManager[None]:
        """Hold one upload, waiting for it; it need not exist."""
        ...

    def known(self) -> list[OpenUpload]:
        """All of them."""
        ...

    def get(self, upload_id: UploadId) -> OpenUpload:
        """One of them. Raises `NotFound`."""
        ...

    async def create(self, upload: OpenUpload) -> None:
        """Begin one, durably; room for what it declares is kept from here on. Raises `StorageFull`."""
        ...

    def append(
        self, upload: OpenUpload, *, expires_at: Callable[[], datetime]
    ) -> AbstractAsyncContextManager[Appending]:
        """Add bytes behind those that it has; with what is acknowledged it has a new end.

        `expires_at` is asked for that each time: however long they take to come, the end counts from the last of them.
        Entering raises `FileDamaged` if its bytes are not there any more, `StorageFull`.
        """
        ...

    async def digest(self, upload: OpenUpload) -> str:
        """SHA-256 of its bytes. Raises `FileDamaged` if they are not there any more."""
        ...

    async def complete(self, upload: OpenUpload, attributes: FileAttributes, *, expires_at: datetime) -> FileAttributes:
        """Make the file, under its lock: as `Incoming.commit`. Once begun it must be awaited to its end."""
        ...

    async def remove(self, upload: OpenUpload) -> None:
        """Forget it and its bytes, durably; a file that was made of it stays."""
        ...


@dataclass(frozen=True, slots=True)
class Whole:
    """A small file as it is offered."""

    file_id: FileId
    content: Bytes
    decide: Callable[[str], FileAttributes]
    """Makes the attributes from the SHA-256; what it raises is raised, and nothing is kept."""


class Files(Protocol):
    """The files of one element: the disk is the truth, an index only finds them."""

    async def find(self, file_id: FileId) -> Document:
        """The file's document as it lies on the disk now.

        Raises `NotFound` only if the disk has none and never had, `FileDeleted` or `FileExpired` if it was destroyed,
        `FileDamaged` if it has one that cannot be trusted,
        `StorageUnavailable` if it cannot be read.
        """
        ...

    async def page(self, status: FileStatus | None, page: PageRequest) -> Page[FileAttributes]:
        """Files of `status` (None: of any), by time of upload and id. The cursor's cost does not grow with depth.

        A file whose document cannot be trusted is left out, and logged. Raises `StorageUnavailable` while the index
        is incomplete: a part is never given for the whole. Raises `ValidationFailed` for a cursor that is not ours.
        """
        ...

    async def texts(self, page: PageRequest) -> Page[bytes] | None:
        """As `page` for files of any status, each as its attribute file lies on the disk; fewer, if they are long.

        None if the page has one that is not plainly of the present version: to be asked for by `page` then.
        """
        ...

    def usage(self) -> Usage:
        """What the element holds. While the index is incomplete, as far as it is known."""
        ...

    async def room(self) -> Room:
        """How much room there is now. Raises `StorageUnavailable` when the disk does not say."""
        ...

    @property
    def writable(self) -> bool:
        """False for good once a write has failed in a way that leaves its outcome unknown; a restart looks again."""
        ...

    def receive(self, file_id: FileId, declared_size: int | None) -> AbstractAsyncContextManager[Incoming]:
        """Take a file's content in; room for `declared_size` bytes is kept from here on.

        Left without `commit`, nothing of it stays. Raises `StorageFull`, `StorageUnavailable` on entering.
        """
        ...

    async def store(self, file: Whole) -> FileAttributes:
        """Store a small file whole; those that come at the same time share the work of the disk, not their outcome.

        Everything else as `Incoming.commit`, which this is, with `receive` and `write` before it.
        """
        ...

    async def store_all(self, files: Sequence[Whole]) -> list[FileAttributes | BaseException]:
        """`store` for several: of each what it returns or raises. One whose id is busy keeps no other waiting."""
        ...

    async def change(self, file_id: FileId, decide: Decision) -> FileAttributes:
        """Replace the file's attributes by what `decide` makes of the present ones, under the file's lock.

        Durable when this returns, with the epoch filled in. If `decide` returns those themselves, nothing is written;
        what it raises is raised, and nothing changed. Raises as `find` and `Incoming.commit`. Once begun it must be
        awaited to its end.
        """
        ...

    def ended(self, at: datetime) -> AsyncIterator[FileId]:
        """Files that are deleted, expired, or have an end not later than `at`; each has to be looked at again.

        Raises `StorageUnavailable` while the index is incomplete.
        """
        ...

    async def destroy(self, file_id: FileId, decide: Callable[[Document], Destroyed | None]) -> Destroyed | None:
        """Remove a file for ever, under its lock, if `decide` makes a line for the destroyed log of it.

        The line is durable before anything goes, and everything has gone durably when this returns. The file is known
        as destroyed from then on: `find` raises `FileDeleted` or `FileExpired`, and its id is not taken again. Raises
        as `find`, `StorageFull` (nothing has happened), `StorageUnavailable`. Once begun it must be awaited to its end.
        """
        ...

    def content(
        self, document: Document, wanted: ByteRange | None, *, hashed: bool
    ) -> AbstractAsyncContextManager[Content]:
        """Open a file's bytes, those of `wanted` (None: all), which lies within its size.

        `hashed`: whether `Content.sha256` is wanted. Raises `FileMissing` if they are not there, `FileDamaged` if
        there are more or fewer than the document says, `StorageUnavailable` if they cannot be read.
        """
        ...


class Following(Protocol):
    """Somebody who follows the changes, from one position on."""

    @property
    def position(self) -> FeedPosition:
        """He has been told of every change up to here."""
        ...

    async def read(self, *, within: float) -> Sequence[Change]:
        """The next changes, durable ones, in order and each once; empty if none came within so many seconds.

        A bounded number of them, so that whoever is slow costs no memory. Raises `FeedReset` if some that come next are
        kept no more, `StorageUnavailable`.
        """
        ...


class Feed(Protocol):
    """The changes to the element, kept for a while, a restart included."""

    @property
    def position(self) -> FeedPosition | None:
        """Of the latest change. All that the index tells from now on is at least as new. None: there is no feed now."""
        ...

    async def follow(self, since: FeedPosition | None) -> Following:
        """Follow from a position on; None: from now on.

        Raises `FeedReset` if it is of another feed, or not one of this feed's (any more), `StorageUnavailable`.
        """
        ...

    async def destroyed(self, cursor: str, limit: int) -> DestroyedPage:
        """What was ever destroyed, in the order of destruction. The cost does not grow with depth.

        Raises `StorageUnavailable` while the index is incomplete, `ValidationFailed` for a cursor that is not ours.
        """
        ...


class Inspection(Protocol):
    """The disk as it is: what lies below `files/`, whoever put it there, and what a file's bytes are now."""

    async def reread(self, document: Document, pace: Pace) -> Actual | None:
        """Read a file's bytes from the disk itself, past what the system remembers of them; None if there are none.

        Raises `StorageUnavailable` if they cannot be read.
        """
        ...

    def folders(self) -> AsyncIterator[Surveyed]:
        """Every folder, those of hours oldest first, as it is at that moment.

        What is under way meanwhile may look strange: look again under the file's lock before anything is done. Raises
        `StorageUnavailable`.
        """
        ...

    def unfounded(self) -> AsyncIterator[FileId]:
        """Files that the index knows and whose attributes are not where it says. Raises `StorageUnavailable`."""
        ...

    async def correct(self, documents: Sequence[Document]) -> int:
        """Have the index know these as they are; how many of them it did not. Never raises for an index that fails."""
        ...


class Keeping(Protocol):
    """What is done about files that are not as they should be. Nothing of it destroys a byte."""

    async def mark(self, file_id: FileId, decide: Callable[[Document], Document], reason: Reason) -> Document:
        """Replace a file's document by what `decide` makes of the present one, under the file's lock.

        If it is damaged then, the bytes that lie at its place are moved to the quarantine, for that reason; where
        there is no room for that they stay, and are not served either. Otherwise as `Files.change`.
        """
        ...

    async def set_aside(self, strange: Strange, reason: Reason) -> QuarantineId | None:
        """Move something orphaned, corrupt or duplicate to the quarantine, if under its lock it still is that.

        None if it is not. Raises `StorageFull`, `StorageUnavailable`, `Forbidden` if the system does not let us.
        """
        ...

    async def forget(self, file_id: FileId) -> bool:
        """Have the index forget a file of which the disk has nothing, and does not know why; False if it has.

        Raises `StorageUnavailable`.
        """
        ...

    async def items(self, page: PageRequest) -> Page[QuarantineItem]:
        """What lies in the quarantine, oldest first. Raises `ValidationFailed` for a cursor that is not ours."""
        ...

    async def examine(self, item_id: QuarantineId, pace: Pace) -> Examined:
        """Read the bytes of something that was set aside, which may take long.

        Raises `NotFound` if there is no such item, `Conflict` if it is no file, `StorageUnavailable`.
        """
        ...

    async def restore(self, item_id: QuarantineId, examined: Examined, at: datetime) -> FileAttributes:
        """Put something back where it belongs; the file as it is then. `examined`: its bytes, read before.

        Raises `NotFound` if there is no such item, `Conflict` with the reason if it does not make a file, or the file
        is there, `FileDeleted` or `FileExpired` if the file has ended, `StorageFull`, `StorageUnavailable`, also if the
        bytes have changed since they were read.
        """
        ...


class Scrubbing(Protocol):
    """How far the scrub has come, and when files were last known to be well."""

    async def round(self) -> Round | None:
        """The present round; None if there never was one, or it is not known. Raises `StorageUnavailable`."""
        ...

    async def keep(self, present: Round) -> None:
        """Write it down durably. Raises `StorageFull`, `StorageUnavailable`."""
        ...

    def files(self, after: FileId | None) -> AsyncIterator[tuple[FileId, datetime]]:
        """Files that have not ended, by id from `after` on, and when each was last read by itself, or stored.

        Raises `StorageUnavailable` while the index is incomplete.
        """
        ...

    async def verified(self, file_id: FileId, at: datetime) -> None:
        """Take note that a file was read and is well. A hint: it may be lost."""
        ...
