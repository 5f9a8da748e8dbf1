"""`element.json`: which element a directory is. Sealed, made once.

    {"format":1,"storage_id":"se-rw-01","element_uuid":"…","created_at":"…","attr_sha256":"…"}

A copy that was made into an element of its own (SE_NEW_IDENTITY) has one that says of which it was: `cloned_from`. That
is the one time that an identity is replaced, whole, by a rename.

An unmounted mount point must never turn into a new, empty element: a directory becomes one only with SE_INIT, under the
lock, and only if nothing but `lost+found` (and what an interrupted first start left) is in it. The index directory is a
second witness: if it knows an element, this must be the one.
"""

from __future__ import annotations

import contextlib
import uuid
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from services.chassis.logs import get_logger
from services.model.ids import ElementUuid, StorageId
from services.storage.domain.seal import seal
from services.storage.store.durable import sync_folder, write_file
from services.storage.store.fs import FileSystem
from services.storage.store.layout import LOST_AND_FOUND, Layout
from services.storage.store.refusal import ElementRefused
from services.storage.store.sealed import read_sealed

FORMAT = 1
_UNFINISHED = ".element."
"""Beginning of the name of an `element.json` that is being made."""


log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ElementFile:
    """Who the directory says that it is."""

    storage_id: StorageId
    element_uuid: ElementUuid
    cloned_from: ElementUuid | None = None
    """Whose copy it was; its first journal still names that one."""


def check_before_lock(fs: FileSystem, layout: Layout, *, init: bool, known: ElementUuid | None) -> None:
    """Raise `ElementRefused` if the directory is no element and may not become one, before anything is made in it.

    `known`: the element that the index directory knows, if any.
    """
    if _exists(fs, layout.element):
        return
    if known is not None:
        raise ElementRefused(
            f"the index directory knows element {known}, but {layout.root} has no element.json: is its file system "
            "mounted? If the element is really to be a new one, remove the index directory"
        )
    if not init:
        raise ElementRefused(
            f"{layout.root} is not a storage element (no element.json). If its file system is not mounted, mount it; "
            "to make an empty directory into a new element, start once with SE_INIT=true"
        )
    with contextlib.suppress(FileNotFoundError):
        others = {entry.name for entry in fs.entries(layout.root)} - {LOST_AND_FOUND, layout.lock.name}
        foreign = sorted(name for name in others if not name.startswith(_UNFINISHED))
        if foreign:
            raise ElementRefused(f"{layout.root} is not empty ({foreign[0]} …), so it does not become a new element")


def read_or_make(
    fs: FileSystem, layout: Layout, storage_id: StorageId, *, init: bool, known: ElementUuid | None, now: datetime,
    new_identity: str = "",
) -> ElementFile:  # fmt: skip
    """The element's identity, made now if it has none and `init` allows it. The lock is held.

    `known`: the element that the index directory knows, if any. `new_identity`: if the directory is that element, it
    becomes another one. Raises `ElementRefused`, `OSError`.
    """
    found = _read(fs, layout)
    if found is not None and found.element_uuid == new_identity:
        _become_another(fs, layout, storage_id, found, known, now)
        found = _read(fs, layout)
    if found is None:
        check_before_lock(fs, layout, init=init, known=known)
        _make(fs, layout, storage_id, now)
        found = _read(fs, layout)
    if found is None:
        raise ElementRefused(f"{layout.element} vanished while it was made")
    if found.storage_id != storage_id:
        raise ElementRefused(f"{layout.root} is element {found.storage_id}, not {storage_id} (SE_STORAGE_ID)")
    if known is not None and known != found.element_uuid:
        raise ElementRefused(
            f"the index directory belongs to element {known}, {layout.root} is {found.element_uuid}: give each its own "
            "SE_INDEX_DIR, or remove the index directory, which is made anew"
        )
    return found


def still_there(fs: FileSystem, layout: Layout, expected: ElementFile) -> bool:
    """Whether the directory is still that element: a file system can be unmounted under a running process."""
    return _read(fs, layout) == expected


def _read(fs: FileSystem, layout: Layout) -> ElementFile | None:
    members = read_sealed(fs, layout.element)
    if members is None:
        return None
    if members.get("format") != FORMAT:
        raise ElementRefused(f"{layout.element} has format {members.get('format')}; this version knows {FORMAT}")
    original = members.get("cloned_from")
    return ElementFile(
        StorageId(str(members.get("storage_id"))),
        ElementUuid(str(members.get("element_uuid"))),
        None if original is None else ElementUuid(str(original)),
    )


def _become_another(
    fs: FileSystem, layout: Layout, storage_id: StorageId, original: ElementFile, known: ElementUuid | None,
    now: datetime,
) -> None:  # fmt: skip
    if known == original.element_uuid:
        raise ElementRefused(
            f"SE_NEW_IDENTITY: this index directory has served {known} itself, so {layout.root} looks like the "
            "original. If it is the copy, remove the index directory"
        )
    fs.rename(_unfinished(fs, layout, storage_id, now, cloned_from=original.element_uuid), layout.element)
    sync_folder(fs, layout.root)
    log.warning("a copy became an element of its own", original=original.element_uuid, was=original.storage_id,
                storage_id=storage_id)  # fmt: skip


def _unfinished(fs: FileSystem, layout: Layout, storage_id: StorageId, now: datetime, **more: str) -> Path:
    """A new identity under a name of its own."""
    made = uuid.uuid4()
    text = seal(
        {
            "format": FORMAT,
            "storage_id": storage_id,
            "element_uuid": str(made),
            "created_at": now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            **more,
        }
    )
    temporary = layout.root / f"{_UNFINISHED}{made}"
    write_file(fs, temporary, text)
    return temporary


def _make(fs: FileSystem, layout: Layout, storage_id: StorageId, now: datetime) -> None:
    temporary = _unfinished(fs, layout, storage_id, now)
    with contextlib.suppress(FileExistsError):
        fs.link(temporary, layout.element)  # unlike rename, it never replaces one that is there
    fs.unlink(temporary)
    sync_folder(fs, layout.root)


def _exists(fs: FileSystem, path: Path) -> bool:
    try:
        return fs.exists(path)
    except OSError as error:
        raise ElementRefused(f"{path} cannot be reached: {error.strerror}") from error
