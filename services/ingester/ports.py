"""What the use cases need of others. `on_behalf_of` is the user for whom something is asked, everywhere."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from services.chassis.caller import Identity
from services.model.elements import ElementAddress
from services.model.files import FileAttributes, FileChange, NewFile, RetentionPolicy, UploadCommit
from services.model.ids import ElementId, FileId


class Directory(Protocol):
    """Knows where documents go and where they lie: Admin. Every method raises `ServiceUnavailable` while it is away."""

    async def select_element(
        self, policy: RetentionPolicy, size: int | None, *, on_behalf_of: Identity | None
    ) -> Sequence[ElementAddress]:
        """At least one element that can take `size` bytes (None: unknown), best first.

        Raises `NoElementAvailable`, `StorageFull`.
        """
        ...

    async def report_failure(self, element_id: ElementId) -> None:
        """An element has failed us: for a while others are offered first."""
        ...

    async def locate_file(
        self, file_id: FileId, *, on_behalf_of: Identity | None
    ) -> tuple[ElementAddress, FileAttributes]:
        """The element that holds the document, and its attributes as registered. Raises `NotFound`."""
        ...

    async def register_file(self, element_id: ElementId, file: FileAttributes) -> FileAttributes:
        """Register what the element answered; returns what is registered. Repeatable.

        The adapter has tried for a while before it raises `ServiceUnavailable`.
        """
        ...


class ElementUpload(Protocol):
    """An upload whose header an element has accepted."""

    async def send(self, chunks: AsyncIterator[bytes]) -> None:
        """Pass the encoded chunk frames on, as fast as the element takes them. To be called once.

        Raises whatever `chunks` raises; the element's refusal (`StorageFull`, `FileTooLarge`, …) at once, even while
        `chunks` has nothing to give; `StorageUnavailable` when the element is gone.
        """
        ...

    async def commit(self, commit: UploadCommit) -> FileAttributes:
        """Have the file kept; returns when it is durable.

        Raises `ChecksumMismatch`, `Conflict`; `StorageUnavailable` when no answer came: then it may have been kept.
        """
        ...


class Element(Protocol):
    """One storage element. Every method raises `StorageUnavailable` when it is not reached."""

    def upload(self, new_file: NewFile, *, on_behalf_of: Identity | None) -> AbstractAsyncContextManager[ElementUpload]:
        """Entered once the element has accepted the header; raises its refusal otherwise.

        Left without `commit` having returned, nothing is kept.
        """
        ...

    async def store(
        self, new_file: NewFile, chunks: Sequence[bytes], commit: UploadCommit, *, on_behalf_of: Identity | None
    ) -> FileAttributes:
        """Have a small document kept, whose encoded chunk frames have all come; returns when it is durable.

        Raises the element's refusal; `StorageUnavailable` with `outcome_unknown` when no answer came: then it may have
        been kept, and asking again gives the same file.
        """
        ...

    async def update(
        self, file_id: FileId, change: FileChange, expected_revision: int, *, on_behalf_of: Identity | None
    ) -> FileAttributes:
        """Change what users may change; 0 expects any revision.

        Raises `NotFound`, `ModeNotAllowed`, `PreconditionFailed`, `MetadataTooLarge`.
        """
        ...

    async def delete(self, file_id: FileId, expected_revision: int, *, on_behalf_of: Identity | None) -> FileAttributes:
        """Mark the file deleted; repeatable. Raises `NotFound`, `ModeNotAllowed`, `PreconditionFailed`."""
        ...


class Elements(Protocol):
    """Reaches elements by their address."""

    def client(self, address: ElementAddress) -> Element:
        """The element there. Never fails: calls to it do."""
        ...


class Incoming(Protocol):
    """A document on its way in."""

    header: NewFile
    """What the sender says of it; not yet checked."""

    def chunks(self) -> AsyncIterator[bytes]:
        """Its encoded chunk frames, each checked to be exactly that. To be asked for once.

        Raises `ValidationFailed` when the sender's stream ends before its commit, `DeadlineExceeded` when the sender
        falls silent.
        """
        ...

    @property
    def commit(self) -> UploadCommit:
        """What the sender says at the end; there only once `chunks` has ended."""
        ...
