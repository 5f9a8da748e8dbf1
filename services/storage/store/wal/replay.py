"""Telling an index what has become of files that the journal names; the disk says what."""

from __future__ import annotations

from collections.abc import Iterable

from services.model.errors import FileDamaged
from services.model.ids import FileId
from services.storage.domain.documents import Document
from services.storage.store.destroyed import DestroyedLog
from services.storage.store.documents import DocumentFiles
from services.storage.store.index import Index
from services.storage.store.wal.records import NO_FILE, Commit

STEP = 1000
"""Files that the index is told of at a time."""


def replay(
    index: Index, documents: DocumentFiles, destroyed: DestroyedLog, commits: Iterable[Commit], last: int
) -> int:
    """Tell it of these commits, and that it knows all up to `last` then; how many files they concern.

    Repeatable. Raises `OSError` as the disk does.
    """
    pending = list({each.file_id: each.name for each in commits if each.file_id != NO_FILE}.items())
    gone = set[FileId]()
    for start in range(0, len(pending), STEP):
        found: list[Document] = []
        for file_id, name in pending[start : start + STEP]:
            try:
                found.append(documents.read(file_id, name))
            except FileNotFoundError:
                gone.add(file_id)
            except FileDamaged:  # what cannot be trusted is not listed
                index.put([], gone=[file_id])
        index.put(found)
    lines = destroyed.latest(gone) if gone else []
    index.put([], gone=gone, destroyed=lines, applied=last)
    return len(pending)
