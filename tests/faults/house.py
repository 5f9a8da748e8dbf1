"""An open element, and who works on it: what the table in `operations.py` is made of."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from services.model.elements import Mode
from services.model.errors import StorageFull, StorageUnavailable
from services.model.feed import Destroyed
from services.model.files import FileAttributes, FileStatus
from services.model.ids import FileId, UploadId
from services.storage.domain.collecting import destruction, expired
from services.storage.domain.documents import Document
from services.storage.domain.election import Patience
from services.storage.domain.modes import ModeState
from services.storage.domain.resumable import OpenUpload
from services.storage.ports import Files
from services.storage.store.element import Element
from services.storage.store.options import Replicated
from services.storage.store.small import SmallFile
from services.storage.usecases.collect_garbage import CollectGarbage
from services.storage.usecases.finishing import Finishing
from services.storage.usecases.mode_gate import ModeGate
from services.storage.usecases.transition_mode import TransitionMode
from tests.doubles.clock import FakeClock
from tests.support.storage_keeping import BY, Keeper
from tests.support.storage_store import store
from tests.unit.storage.samples import ANNA, FILE_ID, NOW, attributes, new_file

GONE_ID = FileId("01a1fc2c-de66-7086-91e3-b707ee2ab5d6")
"""Deleted on the ground `edit`, two days before the operation begins."""
ENDING_ID = FileId("01a1fc2c-de67-7086-91e3-b707ee2ab5d6")
"""Its end has come meanwhile."""
LATER_ID = FileId("01b20000-0000-7000-8000-000000000000")
"""Of another year: every folder on its way is new."""
BESIDE_ID = FileId("01a1fc2c-de68-7086-91e3-b707ee2ab5d6")
"""Of the same hour as those that are there."""
IDS = (FILE_ID, GONE_ID, ENDING_ID, LATER_ID, BESIDE_ID)

RESUMED_ID = BESIDE_ID
"""Of the file that comes by parts."""

OLD, OLDER, NEW = b"old" * 1000, b"older" * 600, b"new" * 1000
WRONG = b"bad" * 1000
"""What has become of `OLD` where somebody spoiled it."""
FIRST = 1000
"""Bytes of `NEW` in the first of the parts."""
END = NOW + timedelta(days=30)
ONE_OF_SEVERAL = Replicated("127.0.0.1", 8010, Patience(silence=8, loss=5))
GRACE = timedelta(hours=24)


class House:
    """An open element, and who works on it."""

    def __init__(self, element: Element, clock: FakeClock) -> None:
        self.element, self.clock, self.files = element, clock, element.files
        self.gate, self.finishing = ModeGate(element.mode), Finishing()

    async def create(self, file_id: FileId, *, declared: bool = True) -> FileAttributes:
        return await store(self.files, attributes(file_id=file_id), NEW, declared=declared)

    async def update(self, file_id: FileId) -> FileAttributes:
        def decide(document: Document) -> FileAttributes:
            file = document.attributes
            return replace(file, description="new", updated_at=self.clock.now(), revision=file.revision + 1)

        return await self.files.change(file_id, decide)

    async def delete(self, file_id: FileId) -> FileAttributes:
        return await delete(self.files, file_id, self.clock)

    async def expire(self, file_id: FileId) -> FileAttributes:
        return await self.files.change(file_id, lambda document: expired(document, self.clock.now()))

    async def purge(self, file_id: FileId) -> Destroyed | None:
        return await self.files.destroy(file_id, lambda document: destruction(document, self.clock.now(), GRACE))

    async def collect(self) -> None:
        collect = CollectGarbage(
            gate=self.gate, files=self.files, collections=self.element.collections, clock=self.clock,
            finishing=self.finishing, grace=GRACE,
        )  # fmt: skip
        done = await collect()
        if done.refused or done.failed:
            raise StorageUnavailable(f"not all was collected: {done}")

    async def note_collection(self) -> None:
        await self.element.collections.keep(self.clock.now())

    async def rebuild(self) -> None:
        try:
            await self.element.rebuild()
        except OSError as error:  # the process logs it and tries again later
            raise StorageUnavailable("the index is incomplete") from error

    async def transition(self, target: Mode) -> ModeState:
        transition = TransitionMode(
            gate=self.gate, modes=self.element.modes, clock=self.clock, finishing=self.finishing
        )
        return await transition(target, confirmed=True, by=ANNA)

    async def create_batch(self, *file_ids: FileId) -> None:
        """Small files that came at the same time. Raises the gravest of their errors."""
        parts = self.element._parts

        def small(file_id: FileId) -> SmallFile:
            plain = attributes(file_id=file_id, size=len(NEW))
            return SmallFile(file_id, NEW, lambda sha256: replace(plain, sha256=sha256))

        batch = [small(file_id) for file_id in file_ids]
        await parts.writes.run(parts.charge.writing.batch.create, batch)
        errors = [each.error for each in batch if each.error is not None]
        for error in sorted(errors, key=lambda each: isinstance(each, StorageFull)):
            raise error

    async def begin_upload(self) -> None:
        await self.element.uploads.create(OpenUpload(new_file(file_id=RESUMED_ID), ANNA, END))

    async def append(self, until: int) -> None:
        """What is missing of `NEW` up to there."""
        upload = self.element.uploads.get(UploadId(RESUMED_ID))
        async with self.element.uploads.append(upload, expires_at=lambda: END) as part:
            await part.write(NEW[upload.offset : until])
            await part.acknowledge()

    async def complete_upload(self) -> FileAttributes:
        uploads = self.element.uploads
        upload = uploads.get(UploadId(RESUMED_ID))
        if upload.completed:
            return (await self.files.find(RESUMED_ID)).attributes
        file = attributes(file_id=RESUMED_ID, size=upload.offset, sha256=await uploads.digest(upload))
        return await uploads.complete(upload, file, expires_at=END)

    async def verify(self, file_id: FileId) -> None:
        """Read it again; if it is damaged, it is marked and set aside."""
        await self._keeper.verify(file_id)

    async def restore(self) -> None:
        """Put back what was set aside."""
        for item in await self._keeper.quarantine():
            await self._keeper.restore(item.item_id, by=BY)

    @property
    def _keeper(self) -> Keeper:
        return Keeper(self.element, self.clock)

    async def take_over(self) -> None:
        """As `Elect` does it, once the leader before is silent."""
        candidate = self.element.candidate
        assert candidate is not None
        try:
            _, latest = await candidate.look()
            await candidate.try_lock()
            await candidate.claim(latest + 1)
            await candidate.beat()
            await candidate.recover()
        except StorageUnavailable as error:
            await candidate.leave(error.message)
            raise
        candidate.accept()


async def delete(files: Files, file_id: FileId, clock: FakeClock) -> FileAttributes:
    """As the element's own delete does."""

    def decide(document: Document) -> FileAttributes:
        file = document.attributes
        return replace(
            file, status=FileStatus.DELETED, deleted_at=clock.now(), deleted_by=ANNA, revision=file.revision + 1
        )

    return await files.change(file_id, decide)
