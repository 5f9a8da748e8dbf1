"""From an id to the document on the disk: the index says where, the disk says what."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from services.chassis.logs import get_logger
from services.model.errors import FileDamaged, FileDeleted, FileExpired, NotFound
from services.model.files import FileStatus
from services.model.ids import FileId
from services.storage.domain.collecting import ENDED
from services.storage.domain.documents import Document
from services.storage.store.destroyed import DestroyedLog
from services.storage.store.documents import DocumentFiles
from services.storage.store.health import reading
from services.storage.store.index import Index
from services.storage.store.rows import Row

log = get_logger(__name__)


class Lookup:
    """Finds documents. In threads only: it waits for the disk."""

    def __init__(self, index: Index, documents: DocumentFiles, destroyed: DestroyedLog) -> None:
        self._index, self._documents, self._destroyed = index, documents, destroyed

    def find(self, file_id: FileId) -> Document:
        """The file's document.

        Raises `NotFound`, `FileDeleted` or `FileExpired` (it was destroyed), `FileDamaged`, `StorageUnavailable`.
        """
        document = self._known(file_id) or self._on_disk(file_id)
        if document is None:
            self.require_not_destroyed(file_id)
            raise NotFound("there is no such file")
        return document

    def require_not_destroyed(self, file_id: FileId) -> None:
        """Raise `FileDeleted` or `FileExpired` if this element has destroyed that file: it never comes back.

        One that the index still knows is being destroyed at this moment: its line is in the log already.
        """
        line = self._index.destroyed(file_id)
        if line is None and (not self._index.complete or self._index.get(file_id) is not None):
            with reading():
                line = self._destroyed.find(file_id)
        if line is not None and line.why is FileStatus.EXPIRED:
            raise FileExpired("the file has expired and was destroyed")
        if line is not None:
            raise FileDeleted("the file was deleted and destroyed")

    def unknown(self, file_ids: Sequence[FileId]) -> set[FileId]:
        """Of ids that are wanted for new files those that are certainly free, without a look at each."""
        return self._index.unknown(file_ids)

    def taken(self, file_id: FileId) -> Document | None:
        """The document of an id that is wanted for a new file; None if it is free.

        A complete index is believed when it does not know the id: this process is the only one that makes files, and
        reading a folder of thousands for each upload would be the slowest step of it. Raises `FileDeleted`,
        `FileExpired` if a file of that id was destroyed.
        """
        document = self._known(file_id)
        if document is None and not self._index.complete:
            document = self._on_disk(file_id)
        if document is None:
            self.require_not_destroyed(file_id)
        return document

    def read(self, rows: Iterable[Row]) -> list[Document]:
        """The documents of rows, for a listing; without those gone or not to be trusted, which is logged."""
        with reading():
            found = self._documents.several((row.file_id, row.storage_filename) for row in rows)
            return [document for document in found if document is not None]

    def named(self, file_id: FileId, storage_filename: str) -> Document | None:
        """The document of a file whose place is known; None as above."""
        try:
            with reading():
                return self._documents.read(file_id, storage_filename)
        except (FileNotFoundError, FileDamaged):
            return None

    def _known(self, file_id: FileId) -> Document | None:
        row = self._index.get(file_id)
        if row is None:
            return None
        try:
            with reading():
                document = self._documents.read(file_id, row.storage_filename)
        except FileNotFoundError:
            return None
        if (document.attributes.revision, document.attributes.status) != (row.revision, row.status):
            self._index.put([document])  # somebody changed it by hand
        return document

    def _on_disk(self, file_id: FileId) -> Document | None:
        with reading():
            document = self._documents.look_up(file_id)
        if document is None or self._came_back(document):
            return None
        self._index.put([document])
        return document

    def _came_back(self, document: Document) -> bool:
        """Whether it was destroyed and is there nevertheless, not even deleted: another one of its id was, then.

        What is still there as it ended is being destroyed, or waits for it to be tried again.
        """
        a = document.attributes
        if a.status in ENDED or self._index.destroyed(a.file_id) is None:
            return False
        log.error("a file that was destroyed is on the disk again: it is not served", file_id=a.file_id,
                  name=document.storage_filename)  # fmt: skip
        return True
