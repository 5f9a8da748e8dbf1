"""Attribute files on the disk: reading them, finding one by its id alone."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterable, Iterator
from itertools import groupby

from services.chassis.logs import get_logger
from services.model.errors import FileDamaged
from services.model.ids import FileId
from services.storage.domain.documents import MAX_BYTES, SCHEMA_VERSION, Document, decode
from services.storage.domain.names import attributes_filename, data_filename, file_id_in, folder_of
from services.storage.domain.seal import CorruptDocument, unseal
from services.storage.store.durable import read_file
from services.storage.store.fs import FOLDER, Entry, FileSystem, Kind
from services.storage.store.layout import Layout

READ_AT_MOST = 64 << 10
"""Bytes: more than this version writes, since a later one may write more."""

Place = tuple[FileId, str]
"""A file's id, and its name on the disk."""

log = get_logger(__name__)


class DocumentFiles:
    """Reads documents. Raises `OSError` as the disk does."""

    def __init__(self, fs: FileSystem, layout: Layout) -> None:
        self._fs, self._layout = fs, layout

    def read(self, file_id: FileId, storage_filename: str) -> Document:
        """The document beside a file. Raises `FileNotFoundError`; `FileDamaged` if it cannot be trusted."""
        text = read_file(self._fs, self._layout.attributes(file_id, storage_filename), READ_AT_MOST)
        try:
            document = decode(text)
            if document.attributes.file_id != file_id:
                raise CorruptDocument(f"it speaks of {document.attributes.file_id}")
            if document.storage_filename != storage_filename:
                raise CorruptDocument(f"it speaks of the file {document.storage_filename}")
        except CorruptDocument as error:
            log.error("attributes cannot be trusted", file_id=file_id, reason=str(error))  # noqa: TRY400 - no fault of ours
            raise FileDamaged("the file's attributes are damaged; it is not served") from error
        return document

    def several(self, places: Iterable[Place]) -> Iterator[Document | None]:
        """The document beside each file; None where there is none, or none that can be trusted, which is logged.

        For many at a time: a folder is opened once for all neighbours in it.
        """
        for folder, neighbours in groupby(places, lambda place: folder_of(place[0])):
            try:
                descriptor = self._fs.open(self._layout.files / folder, FOLDER)
            except FileNotFoundError:
                yield from (None for _ in neighbours)
                continue
            try:
                for file_id, storage_filename in neighbours:
                    yield self._beside(descriptor, file_id, storage_filename)
            finally:
                self._fs.close(descriptor)

    def _beside(self, folder: int, file_id: FileId, storage_filename: str) -> Document | None:
        try:
            document = decode(self._fs.load(folder, attributes_filename(storage_filename), MAX_BYTES))
            if document.attributes.file_id == file_id and document.storage_filename == storage_filename:
                return document
        except (CorruptDocument, OSError):
            pass  # read more closely: it may be longer than ours are, or be there only now
        try:
            return self.read(file_id, storage_filename)
        except (FileNotFoundError, FileDamaged):
            return None

    def newer(self, file_id: FileId, storage_filename: str) -> bool:
        """Whether attributes that are not understood are sealed well and of a later version: not ours to judge."""
        with contextlib.suppress(FileNotFoundError, CorruptDocument):
            version = unseal(read_file(self._fs, self._layout.attributes(file_id, storage_filename), READ_AT_MOST)).get(
                "schema_version"
            )
            return isinstance(version, int) and version > SCHEMA_VERSION
        return False

    def look_up(self, file_id: FileId) -> Document | None:
        """The document of an id, found in the folder that the id names; None if the disk has none.

        Of several (somebody copied one) the one of the highest revision. Raises `FileDamaged` if none can be trusted,
        `OSError` if the element itself is gone: an unmounted disk must not pass for an empty one.
        """
        entries: list[Entry] = []
        with contextlib.suppress(FileNotFoundError, OverflowError):
            entries = self._fs.entries(self._layout.folder(file_id))
        if not entries and not self._fs.exists(self._layout.element):
            raise OSError(errno.ENXIO, "the element's directory is not there", str(self._layout.root))
        names = [each.name for each in entries if each.kind is Kind.FILE and file_id_in(each.name) == file_id]
        found: list[Document] = []
        damage: FileDamaged | None = None
        for name in names:
            try:
                found.append(self.read(file_id, data_filename(name)))
            except FileDamaged as error:
                damage = error
        if len(names) > 1:
            log.warning("several attribute files have the same id", file_id=file_id, names=sorted(names))
        if not found and damage is not None:
            raise damage
        return max(found, key=lambda each: each.attributes.revision, default=None)
