"""Take one document in."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial

from services.chassis.caller import Identity
from services.chassis.logs import get_logger
from services.ingester.domain import (
    SMALL,
    another_may_take_it,
    answer_to,
    is_a_failure,
    may_be_kept,
    prepared,
    require_the_same,
)
from services.ingester.ports import Directory, Elements, ElementUpload, Incoming
from services.ingester.usecases.finishing import to_the_end
from services.ingester.usecases.read_ahead import continued, read_ahead
from services.model.elements import ElementAddress
from services.model.errors import ArtStoreError, DeadlineExceeded, NotFound, ServiceUnavailable, StorageUnavailable
from services.model.files import FileAttributes, NewFile, UploadCommit
from services.model.ids import FileId

log = get_logger(__name__)


class UploadFile:
    """Store a document on the best element that takes it, and register it.

    A small one is read first, and offered whole to one element after the other. Of others the next candidate is tried
    only before the first chunk has been taken, since chunks are kept nowhere.
    """

    def __init__(
        self, *, directory: Directory, elements: Elements, new_id: Callable[[], FileId], small: int = SMALL
    ) -> None:
        """`small`: bytes of a document that counts as small, at most; 0: none does."""
        self._directory = directory
        self._elements = elements
        self._new_id = new_id
        self._small = small

    async def __call__(self, document: Incoming, *, by: Identity) -> FileAttributes:
        """Return the attributes once they are durable on the element and registered.

        Raises `ValidationFailed`, `NoElementAvailable`, `ServiceUnavailable` before the first chunk is taken; what
        the element refuses with (`StorageFull`, `FileTooLarge`, `ChecksumMismatch`, …) when it does.
        """
        new_file = prepared(document.header, self._new_id())
        candidates = await self._candidates(new_file, document.header.file_id, by)
        chunks = document.chunks()
        beginning = await read_ahead(chunks, self._small, declared=new_file.declared_size)
        if beginning.whole:
            return await to_the_end(self._store(new_file, beginning.frames, document.commit, candidates, by))
        async with self._accepted(new_file, candidates, by) as (element, upload):
            await self._send(element, upload, continued(beginning, chunks))
            return await to_the_end(self._keep(new_file, element, upload, document.commit))

    async def _candidates(self, new_file: NewFile, repeated: FileId | None, by: Identity) -> Sequence[ElementAddress]:
        """Where the document may go. One whose id is registered goes where it lies: it is a repetition."""
        if repeated is not None:
            try:
                return [(await self._directory.locate_file(repeated, on_behalf_of=by))[0]]
            except NotFound:
                pass
        return await self._directory.select_element(new_file.retention_policy, new_file.declared_size, on_behalf_of=by)

    async def _store(
        self,
        new_file: NewFile,
        chunks: Sequence[bytes],
        commit: UploadCommit,
        candidates: Sequence[ElementAddress],
        by: Identity,
    ) -> FileAttributes:
        """A small document, whole, on the first element that takes it."""
        refusals: list[ArtStoreError] = []
        for element in candidates:
            storing = partial(self._elements.client(element).store, new_file, chunks, commit, on_behalf_of=by)
            try:
                file = await _settled(storing)
            except ArtStoreError as refusal:
                if may_be_kept(refusal):
                    await self._blame(element, refusal)
                    raise _not_confirmed(new_file, refusal) from refusal
                await self._passed_over(element, refusal, refusals)
            else:
                return await self._registered(element, require_the_same(file, new_file.file_id))
        raise answer_to(refusals)

    @asynccontextmanager
    async def _accepted(
        self, new_file: NewFile, candidates: Sequence[ElementAddress], by: Identity
    ) -> AsyncIterator[tuple[ElementAddress, ElementUpload]]:
        """The upload on the first element that accepts the header; cancelled on the way out unless committed."""
        refusals: list[ArtStoreError] = []
        async with AsyncExitStack() as stack:
            for element in candidates:
                try:
                    opening = self._elements.client(element).upload(new_file, on_behalf_of=by)
                    upload = await stack.enter_async_context(opening)
                except ArtStoreError as refusal:
                    await self._passed_over(element, refusal, refusals)
                else:
                    yield element, upload
                    return
        raise answer_to(refusals)

    async def _passed_over(
        self, element: ElementAddress, refusal: ArtStoreError, refusals: list[ArtStoreError]
    ) -> None:
        """Note the refusal; raise it if no other element would take the document either."""
        if not another_may_take_it(refusal):
            raise refusal
        log.warning("element refused", storage_id=element.storage_id, reason=refusal.message)
        refusals.append(refusal)
        await self._blame(element, refusal)

    async def _send(self, element: ElementAddress, upload: ElementUpload, chunks: AsyncIterator[bytes]) -> None:
        """All chunks. That they come too late is no fault of the element, whose own lateness has another name."""
        try:
            await upload.send(chunks)
        except DeadlineExceeded:
            raise
        except ArtStoreError as refusal:
            await self._blame(element, refusal)
            raise

    @asynccontextmanager
    async def _blamed(self, element: ElementAddress) -> AsyncIterator[None]:
        """Whatever the element fails with inside is reported."""
        try:
            yield
        except ArtStoreError as refusal:
            await self._blame(element, refusal)
            raise

    async def _blame(self, element: ElementAddress, refusal: ArtStoreError) -> None:
        if is_a_failure(refusal):
            with suppress(ArtStoreError):  # the upload's own answer counts, not this
                await self._directory.report_failure(element.element_id)

    async def _keep(
        self, new_file: NewFile, element: ElementAddress, upload: ElementUpload, commit: UploadCommit
    ) -> FileAttributes:
        try:
            async with self._blamed(element):
                file = await upload.commit(commit)
        except StorageUnavailable as error:
            raise _not_confirmed(new_file, error) from error
        return await self._registered(element, require_the_same(file, new_file.file_id))

    async def _registered(self, element: ElementAddress, file: FileAttributes) -> FileAttributes:
        try:
            return await self._directory.register_file(element.element_id, file)
        except ArtStoreError as error:
            log.exception("stored but not registered", file_id=file.file_id, storage_id=element.storage_id)
            raise ServiceUnavailable(
                "the document is stored but could not be registered, so it is not found yet; "
                f"it will be, under the id {file.file_id}, without being sent again",
                retry_after=5,
            ) from error


async def _settled(storing: Callable[[], Awaitable[FileAttributes]]) -> FileAttributes:
    """What became of a small document. Where no answer came the element is asked once more: same id, same file."""
    try:
        return await storing()
    except ArtStoreError as error:
        if not may_be_kept(error):
            raise
        unknown = error
    try:
        return await storing()
    except ArtStoreError:
        raise unknown from None  # the first time counts: a refusal now does not say what became of it


def _not_confirmed(new_file: NewFile, error: ArtStoreError) -> StorageUnavailable:
    return StorageUnavailable.unconfirmed(
        "the storage element did not confirm the upload, so it is not known whether the document was kept; "
        f"look for it under the id {new_file.file_id} before sending it again",
        retry_after=error.retry_after,
    )
