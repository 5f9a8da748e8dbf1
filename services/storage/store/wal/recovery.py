"""What becomes of transactions that were open when the process before ended. The disk decides, not the journal.

Repeatable: it may itself be cut off anywhere, and the next start does the same again. What existed before a transaction
began is never removed: a create began only because neither of its names was taken.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from services.chassis.logs import get_logger
from services.model.errors import FileDamaged
from services.storage.domain.documents import Document
from services.storage.store.disk import Disk
from services.storage.store.documents import DocumentFiles
from services.storage.store.durable import sync_file, sync_folder
from services.storage.store.fs import READ
from services.storage.store.modefile import read_mode
from services.storage.store.wal.reading import History
from services.storage.store.wal.records import Begin, Op

STEP = 1 << 20

log = get_logger(__name__)


class Recovery:
    """Settles what is open. Raises `OSError` as the disk does."""

    def __init__(self, disk: Disk, documents: DocumentFiles) -> None:
        self._fs, self._layout, self._folders, self._documents = disk.fs, disk.layout, disk.folders, documents

    def settle(self, history: History) -> list[tuple[Begin, bool]]:
        """Each open transaction, and whether it has happened; durable either way."""
        return [(begin, self._settled(begin, history)) for _, begin in sorted(history.open.items())]

    def _settled(self, begin: Begin, history: History) -> bool:
        if any(each.file_id == begin.file_id and each.tx > begin.tx for each in history.commits):
            done = False  # later ones went on from whatever it had left: nothing of it is to be touched
        elif begin.op is Op.CREATE:
            done = self._create(begin)
        elif begin.op is Op.UPDATE:
            done = self._update(begin)
        elif begin.op is Op.MODE:
            done = self._mode(begin)
        else:
            done = self._purge(begin)
        log.warning("a transaction was open", op=begin.op, file_id=begin.file_id, happened=done)
        return done

    def _create(self, begin: Begin) -> bool:
        document = self._document(begin)
        if document is None or document.attributes.sha256 != begin.sha256 or self._digest(begin) != begin.sha256:
            self._remove(begin)
            return False
        sync_file(self._fs, self._layout.data(begin.file_id, begin.name))
        self._keep(begin)
        return True

    def _update(self, begin: Begin) -> bool:
        document = self._document(begin)
        if document is None or document.attributes.revision < begin.new:
            return False
        self._keep(begin)
        return True

    def _purge(self, begin: Begin) -> bool:
        document = self._document(begin)
        if document is not None and document.attributes.revision != begin.old:
            return False
        self._remove(begin)
        return True

    def _mode(self, begin: Begin) -> bool:
        kept = read_mode(self._fs, self._layout)
        if kept is None or kept.revision < begin.new:
            return False
        sync_file(self._fs, self._layout.mode)
        sync_folder(self._fs, self._layout.root)
        return True

    def _remove(self, begin: Begin) -> None:
        """The attributes first: what has them is a file."""
        for path in (self._attributes(begin), self._layout.data(begin.file_id, begin.name)):
            if self._fs.exists(path):
                self._fs.unlink(path)
        folder = self._layout.folder(begin.file_id)
        if self._fs.exists(folder):
            sync_folder(self._fs, folder)

    def _keep(self, begin: Begin) -> None:
        folder = self._layout.folder(begin.file_id)
        self._folders.ensure(folder)
        sync_file(self._fs, self._attributes(begin))
        sync_folder(self._fs, folder)

    def _document(self, begin: Begin) -> Document | None:
        try:
            return self._documents.read(begin.file_id, begin.name)
        except (FileNotFoundError, FileDamaged):
            return None

    def _digest(self, begin: Begin) -> str | None:
        """SHA-256 of the data; None if there are none."""
        try:
            descriptor = self._fs.open(self._layout.data(begin.file_id, begin.name), READ)
        except FileNotFoundError:
            return None
        try:
            digest, offset = hashlib.sha256(), 0
            while chunk := self._fs.read(descriptor, STEP, offset):
                digest.update(chunk)
                offset += len(chunk)
            return digest.hexdigest()
        finally:
            self._fs.close(descriptor)

    def _attributes(self, begin: Begin) -> Path:
        return self._layout.attributes(begin.file_id, begin.name)
