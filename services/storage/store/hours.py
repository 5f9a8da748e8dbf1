"""Looking at one folder of an hour: which files are there, and what is not as it should be."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import replace

from services.model.errors import FileDamaged
from services.model.ids import FileId
from services.model.maintenance import Issue
from services.storage.domain.names import ATTRIBUTES_SUFFIX, attributes_filename, data_filename
from services.storage.domain.surveying import Role, Seen, Strange, Surveyed, foreign, kept_of, role
from services.storage.store.documents import DocumentFiles
from services.storage.store.fs import Entry, FileSystem, Kind
from services.storage.store.layout import Layout


class Hour:
    """One folder as it is now. In threads only; raises `OSError` as the disk does."""

    def __init__(self, fs: FileSystem, layout: Layout, documents: DocumentFiles, folder: str) -> None:
        """`folder`: from the folder of all files on."""
        self._fs, self._layout, self._documents, self._folder = fs, layout, documents, folder
        self._names: set[str] = set()
        """Of plain files."""
        self._found = Surveyed(folder)
        self._documented: dict[FileId, list[Seen]] = {}
        self._corrupt: list[Strange] = []

    def survey(self, entries: Sequence[Entry]) -> Surveyed:
        """What the names in the folder stand for."""
        self._names = {each.name for each in entries if each.kind is Kind.FILE}
        for each in entries:
            if each.kind is Kind.FILE:
                self._file(each.name)
            else:
                self._found.strange.append(strange_entry(self._folder, each))
        for several in self._documented.values():
            kept = kept_of(several)
            self._found.seen.append(kept)
            self._found.strange += [self._duplicate(each) for each in several if each is not kept]
        self._found.strange += [self._corrupt_or_duplicate(each) for each in self._corrupt]
        return self._found

    def _corrupt_or_duplicate(self, strange: Strange) -> Strange:
        if strange.unread or strange.issue is not Issue.CORRUPT or strange.file_id not in self._documented:
            return strange
        return replace(strange, issue=Issue.DUPLICATE, detail=f"the file has other attributes; these: {strange.detail}")

    def _file(self, name: str) -> None:
        what, file_id = role(name, self._folder)
        if what is Role.ATTRIBUTES and file_id is not None:
            self._attributes(name, file_id)
        elif what is Role.STRANGE and not self._goes_with_a_copy(name, file_id):
            self._found.strange.append(self._copy(name, file_id) or foreign(self._path(name), file_id))
        elif what is Role.DATA and attributes_filename(name) not in self._names:
            detail = "there are no attributes beside it"
            self._found.strange.append(Strange(Issue.ORPHANED, self._path(name), detail, file_id))

    def _attributes(self, name: str, file_id: FileId) -> None:
        data = data_filename(name)
        try:
            document = self._documents.read(file_id, data)
        except FileNotFoundError:
            return  # it went meanwhile
        except OSError as error:
            detail = f"the disk does not give them: {error.strerror}"
            self._corrupt.append(Strange(Issue.CORRUPT, self._path(name), detail, file_id, unread=True))
            return
        except FileDamaged as error:
            self._corrupt.append(self._distrusted(name, file_id, str(error.__cause__ or error)))
            return
        size = None
        if data in self._names:
            with contextlib.suppress(FileNotFoundError):
                size = self._fs.length(self._layout.data(file_id, data))
        self._documented.setdefault(file_id, []).append(Seen(document, size))

    def _distrusted(self, name: str, file_id: FileId, detail: str) -> Strange:
        if self._documents.newer(file_id, data_filename(name)):
            return Strange(Issue.FOREIGN, self._path(name), "a newer version has written them", file_id)
        return Strange(Issue.CORRUPT, self._path(name), detail, file_id, self._beside(name))

    def _duplicate(self, each: Seen) -> Strange:
        name = attributes_filename(each.document.storage_filename)
        detail = f"the file has other attributes; these are revision {each.document.attributes.revision}"
        file_id = each.document.attributes.file_id
        return Strange(Issue.DUPLICATE, self._path(name), detail, file_id, self._beside(name))

    def _copy(self, name: str, file_id: FileId | None) -> Strange | None:
        """Attributes that lie here while the file itself lies where it belongs; None if that is not so."""
        if file_id is None or not name.endswith(ATTRIBUTES_SUFFIX):
            return None
        try:
            original = self._documents.look_up(file_id)
        except FileDamaged:
            return None
        if original is None:
            return None
        detail = "the file itself lies in another folder, where it belongs"
        return Strange(Issue.DUPLICATE, self._path(name), detail, file_id, self._beside(name))

    def _goes_with_a_copy(self, name: str, file_id: FileId | None) -> bool:
        """Whether attributes beside it are told for both."""
        beside = attributes_filename(name)
        return beside in self._names and self._copy(beside, file_id) is not None

    def _beside(self, attributes_name: str) -> str:
        data = data_filename(attributes_name)
        return data if data in self._names else ""

    def _path(self, name: str) -> str:
        return f"{self._folder}/{name}"


def strange_entry(folder: str, entry: Entry) -> Strange:
    """Something that is no plain file, or does not belong into that folder."""
    path = f"{folder}/{entry.name}" if folder else entry.name
    if entry.kind is Kind.LINK:
        return Strange(Issue.SYMLINK, path, "symbolic links are never followed")
    return foreign(path)
