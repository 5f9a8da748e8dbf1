"""Attribute files as they lie on the disk, many at a time, for those who read them themselves.

Each is looked through as a rebuild of the index does it: seal, id and name must be right. What is not plainly of the
present version, one that was edited by hand and sealed again for example, is for the slower way, which knows it all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from services.model.errors import FileDamaged
from services.model.ids import FileId
from services.storage.domain.documents import MAX_BYTES, SCHEMA_VERSION
from services.storage.domain.glance import glance
from services.storage.domain.names import attributes_filename, folder_of
from services.storage.domain.seal import CorruptDocument
from services.storage.store.documents import DocumentFiles
from services.storage.store.fs import FOLDER, FileSystem
from services.storage.store.health import reading
from services.storage.store.layout import Layout
from services.storage.store.rows import Row

PLAIN = b'{"schema_version":%d,' % SCHEMA_VERSION
"""How every document begins that this version has written."""


class NotPlain(Exception):
    """A document can be trusted, but has to be read as a whole."""


class Texts:
    """Reads them. In threads only: it waits for the disk."""

    def __init__(self, fs: FileSystem, layout: Layout, documents: DocumentFiles) -> None:
        self._fs, self._layout, self._documents = fs, layout, documents

    def some(self, rows: Sequence[Row], most: int) -> tuple[list[bytes], int]:
        """The texts of the first rows, at most `most` bytes, and of how many rows they are.

        A row whose document is gone or cannot be trusted has none; the latter is logged. Raises `NotPlain`,
        `StorageUnavailable`.
        """
        texts: list[bytes] = []
        with reading(), self._folders() as folders:
            for count, row in enumerate(rows):
                text = self._text(folders, row)
                if text is not None:
                    most -= len(text)
                    if most < 0:
                        return texts, count
                    texts.append(text)
        return texts, len(rows)

    @contextmanager
    def _folders(self) -> Iterator[_Folders]:
        folders = _Folders(self._fs, self._layout)
        try:
            yield folders
        finally:
            folders.close()

    def _text(self, folders: _Folders, row: Row) -> bytes | None:
        try:
            text = self._fs.load(folders.of(row.file_id), attributes_filename(row.storage_filename), MAX_BYTES + 1)
            if _is_plain(text, row):
                return text
            self._documents.read(row.file_id, row.storage_filename)
        except (FileNotFoundError, FileDamaged):
            return None
        raise NotPlain


class _Folders:
    """Keeps the folder open that was asked for last: neighbours in time lie in the same one."""

    def __init__(self, fs: FileSystem, layout: Layout) -> None:
        self._fs, self._layout = fs, layout
        self._place = ""
        self._descriptor = -1

    def of(self, file_id: FileId) -> int:
        """Raises `FileNotFoundError`."""
        place = folder_of(file_id)
        if place != self._place:
            self.close()
            self._descriptor = self._fs.open(self._layout.files / place, FOLDER)
            self._place = place
        return self._descriptor

    def close(self) -> None:
        if self._place:
            self._place = ""
            self._fs.close(self._descriptor)


def _is_plain(text: bytes, row: Row) -> bool:
    if not text.startswith(PLAIN):
        return False
    try:
        seen = glance(text)
    except CorruptDocument:
        return False
    return seen.file_id == row.file_id and seen.storage_filename == row.storage_filename
