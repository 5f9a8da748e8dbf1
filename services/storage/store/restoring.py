"""Putting back what was set aside, its bytes read again first, before anything is held for it."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from services.chassis.logs import get_logger
from services.model.errors import Conflict, Forbidden, NotFound, StorageUnavailable
from services.model.files import FileAttributes, FileStatus
from services.model.ids import FileId, QuarantineId
from services.storage.domain.documents import Document, decode
from services.storage.domain.keeping import JUDGED, Actual, Examined, came_back, judged, marked, restored
from services.storage.domain.names import ATTRIBUTES_SUFFIX, data_filename, file_id_in, file_id_of
from services.storage.domain.seal import CorruptDocument
from services.storage.store.commits import Commits
from services.storage.store.disk import Disk
from services.storage.store.documents import READ_AT_MOST
from services.storage.store.durable import open_folder, read_file, sync_file
from services.storage.store.fs import READ
from services.storage.store.health import reading
from services.storage.store.lookup import Lookup
from services.storage.store.quarantine import Quarantine

STEP = 1 << 20

log = get_logger(__name__)


class Restoring:
    """One item at a time, whose file's lock is held. In threads only."""

    def __init__(self, disk: Disk, *, commits: Commits, lookup: Lookup, quarantine: Quarantine) -> None:
        self._disk, self._fs, self._layout = disk, disk.fs, disk.layout
        self._commits, self._lookup, self._quarantine = commits, lookup, quarantine

    def file_id(self, item_id: QuarantineId) -> FileId:
        """Of the file that an item is. Raises `NotFound` if there is no such item, `Conflict` if it is no file."""
        data, attributes = self._parts(item_id)
        file_id = file_id_in(attributes) if attributes else file_id_of(data)
        if file_id is None:
            raise Conflict("it is not a file of a storage element, nobody knows where it belongs")
        return file_id

    def begin(self, item_id: QuarantineId) -> tuple[Path, tuple[int, int, int]]:
        """Where the bytes of an item lie, which are durable then, and their stamp. Raises as `file_id`."""
        self.file_id(item_id)
        data, _ = self._parts(item_id)
        path = self._quarantine.shelf.path(item_id, data)
        with self._disk.health.preparing(), self._there(item_id, data):
            sync_file(self._fs, path)
            return path, self._fs.stamp(path)

    def restore(self, item_id: QuarantineId, examined: Examined, at: datetime) -> FileAttributes:
        """Put it back; the file as it is then. `leave` must follow. Raises as `Keeping.restore`."""
        try:
            with reading():
                return self._restore(item_id, examined, at)
        except FileNotFoundError:  # a temporary: we lead no more, or somebody's hand was there
            raise StorageUnavailable("what was to be put back has gone meanwhile; try again", retry_after=2) from None

    def leave(self, item_id: QuarantineId) -> None:
        """Remove what was put back from the quarantine. Until that is done it can be put back again."""
        with self._disk.health.preparing():
            self._quarantine.remove(item_id)
        log.warning("restored from the quarantine", item=item_id)

    def _restore(self, item_id: QuarantineId, examined: Examined, at: datetime) -> FileAttributes:
        data, attributes = self._parts(item_id)
        file_id = self.file_id(item_id)
        with self._taken(item_id, data, file_id) as part:
            if self._fs.stamp(part) != examined.stamp:
                raise StorageUnavailable("its bytes were changed while they were read; try again", retry_after=2)
            actual = examined.actual
            if attributes:
                document = self._adopt(item_id, attributes, file_id, part, actual, at)
            else:
                document = self._return(file_id, part, actual, at)
        return document.attributes

    def _parts(self, item_id: QuarantineId) -> tuple[str, str]:
        """Names of the data and the attributes in an item; the second may be empty."""
        with reading():
            try:
                names = self._quarantine.shelf.content(item_id)
            except (FileNotFoundError, NotADirectoryError):
                raise NotFound("nothing of that name was set aside") from None
        attributes = [name for name in names if name.endswith(ATTRIBUTES_SUFFIX)]
        data = [name for name in names if name not in attributes]
        if len(data) != 1 or len(attributes) > 1 or any(data_filename(each) not in data for each in attributes):
            raise Conflict("it does not hold the bytes of exactly one file, so it cannot be restored by itself")
        return data[0], attributes[0] if attributes else ""

    @contextmanager
    def _taken(self, item_id: QuarantineId, data: str, file_id: FileId) -> Iterator[Path]:
        """The data by a second name among the temporaries, which goes afterwards unless it was renamed."""
        part = self._commits.temporary(file_id, "restored")
        try:
            with self._disk.health.preparing():
                self._take(item_id, data, part)
            yield part
        finally:
            with contextlib.suppress(OSError):  # it became the file, or goes at the next start
                self._fs.unlink(part)

    def _take(self, item_id: QuarantineId, data: str, part: Path) -> None:
        with self._there(item_id, data):
            self._quarantine.take(item_id, data, part)

    @contextmanager
    def _there(self, item_id: QuarantineId, data: str) -> Iterator[None]:
        """Around what needs the data of an item to be there."""
        try:
            yield
        except FileNotFoundError:
            if self._fs.exists(self._quarantine.shelf.path(item_id, data)):
                raise  # it is the folder of our epoch that has gone: we lead no more
            raise NotFound("nothing of that name was set aside") from None
        except PermissionError as error:
            raise Forbidden("the system does not let the element take it back") from error

    def _actual(self, part: Path) -> Actual:
        with reading():
            descriptor = self._fs.open(part, READ)
            try:
                self._fs.forget(descriptor)
                digest, size = hashlib.sha256(), 0
                while chunk := self._fs.read(descriptor, STEP, size):
                    digest.update(chunk)
                    size += len(chunk)
                return Actual(size, digest.hexdigest())
            finally:
                self._fs.close(descriptor)

    def _adopt(
        self, item_id: QuarantineId, attributes: str, file_id: FileId, part: Path, actual: Actual, at: datetime
    ) -> Document:
        """Make a file of bytes and attributes."""
        try:
            found = decode(read_file(self._fs, self._quarantine.shelf.path(item_id, attributes), READ_AT_MOST))
            if found.attributes.file_id != file_id:
                raise CorruptDocument(f"they speak of {found.attributes.file_id}")
        except CorruptDocument as error:
            raise Conflict(f"its attributes cannot be trusted: {error}") from None
        _require_right(found, actual)
        existing = self._lookup.taken(file_id)
        if existing is None:
            return self._commits.adopt(part, restored(found, at))
        if not came_back(existing, found) or not self._whole(existing):
            raise Conflict("the element has a file of this id")
        return existing  # a crash came before it left the quarantine

    def _return(self, file_id: FileId, part: Path, actual: Actual, at: datetime) -> Document:
        """Give bytes back to attributes that lack them."""
        try:
            present = self._lookup.find(file_id)
        except NotFound:
            raise Conflict("there are no attributes for it: nobody knows what file it was") from None
        _require_right(present, actual)
        path = self._layout.data(file_id, present.storage_filename)
        if present.attributes.status not in JUDGED:
            raise Conflict("the file was deleted or has expired")
        if not self._fs.exists(path):
            with self._disk.health.preparing(), open_folder(self._fs, path.parent) as sync:
                self._fs.rename(part, path)
                sync()
        elif not self._whole(present):
            raise Conflict("the element has other bytes for this file")
        return self._commits.rewrite(file_id, lambda document: marked(document, present, actual, at))

    def _whole(self, document: Document) -> bool:
        """Whether the right bytes lie at the place of a file."""
        path = self._layout.data(document.attributes.file_id, document.storage_filename)
        return self._fs.exists(path) and judged(document.attributes, self._actual(path)) is FileStatus.ACTIVE


def _require_right(document: Document, actual: Actual) -> None:
    if judged(document.attributes, actual) is not FileStatus.ACTIVE:
        raise Conflict(
            f"its bytes are not those that the attributes name: {actual.size} bytes with SHA-256 {actual.sha256} "
            f"instead of {document.attributes.size} with {document.attributes.sha256}"
        )
