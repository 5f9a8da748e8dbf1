"""Names on the element's disk. No path is built from what a client sent in any other way.

`{stem}_{user}_{YYYYMMDDTHHMMSS}_{uuid}{.ext}`: at most 200 bytes of UTF-8, of which the user takes at most 40 and the
extension at most 16. File systems limit names in bytes (255), and `.attr.json` must fit behind; a name of 200 Cyrillic
characters would have 400. The name is for people who look at the disk without us: the file id in it is what counts, and
the original name stands whole in the attributes.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from services.model.ids import FileId, Subject

MAX_BYTES = 200
MAX_USER_BYTES = 40
MAX_EXTENSION_BYTES = 16
"""With its dot."""
ATTRIBUTES_SUFFIX = ".attr.json"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HOUR = 3_600_000
"""Milliseconds, which the first 48 bits of an id count."""
_REPLACEMENT = "_"
_RESERVED = frozenset('/\\:*?"<>|')
"""Separators here or elsewhere, and what other systems cannot store: the disk may be read on another one."""
_PLAIN = re.compile(r"[A-Za-z0-9_-](?:[A-Za-z0-9 ._-]*[A-Za-z0-9_-])?")
"""What is harmless as it is: most names, which are looked at no further."""
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode categories that do not show, or change how the rest shows: controls, bidirectional marks and other format
characters, surrogates, private and unassigned ones, line and paragraph separators."""


def storage_filename(original: str, *, user: Subject, at: datetime, file_id: FileId) -> str:
    """The name under which a file lies on the disk."""
    stem, extension = _split(_harmless(original))
    user_part = _cut(_harmless(user), MAX_USER_BYTES)
    tail = f"_{user_part}_{at.astimezone(UTC):%Y%m%dT%H%M%S}_{file_id}{extension}"
    return (_cut(stem, MAX_BYTES - len(tail.encode())) or _REPLACEMENT) + tail


def attributes_filename(storage_name: str) -> str:
    """The name of the attributes beside the file of that name."""
    return storage_name + ATTRIBUTES_SUFFIX


def data_filename(attributes_name: str) -> str:
    """The name of the file beside the attributes of that name."""
    return attributes_name.removesuffix(ATTRIBUTES_SUFFIX)


def file_id_in(attributes_name: str) -> FileId | None:
    """The file id in the name of an attribute file; None if it is not the name of one."""
    found = _ATTRIBUTES_NAME.search(attributes_name)
    return FileId(found[1]) if found else None


def file_id_of(storage_name: str) -> FileId | None:
    """The file id in the name of a file that is no attribute file; None if it is not a name that we give."""
    found = _STORAGE_NAME.search(storage_name)
    return FileId(found[1]) if found else None


def folder_of(file_id: FileId) -> str:
    """The folder under `files/`: the UTC hour inside the id, so that an id alone says where to look.

    Raises `OverflowError` for a time beyond the year 9999; `check_new_id` refuses such ids before they are stored.
    """
    return _folder(int(file_id[:8] + file_id[9:13], 16) // _HOUR)


def ids_in(folder: str) -> tuple[str, str]:
    """The beginnings of the first id that lies in such a folder, and of the first one that does not any more.

    No id lies between them if the folder is not one of an hour.
    """
    try:
        hour = datetime.strptime(folder, "%Y/%m/%d/%H").replace(tzinfo=UTC)
    except ValueError:
        return "", ""
    hours = (hour - _EPOCH) // timedelta(hours=1)
    if hours < 0 or _folder(hours) != folder:
        return "", ""
    return _beginning(hours * _HOUR), _beginning((hours + 1) * _HOUR)


def _beginning(milliseconds: int) -> str:
    text = f"{milliseconds:012x}"
    return f"{text[:8]}-{text[8:]}"


@lru_cache(1024)
def _folder(hours: int) -> str:
    return f"{_EPOCH + timedelta(hours=hours):%Y/%m/%d/%H}"


_NAME = r"_([0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12})(?:\.[^\W_]{1,15})?"
_STORAGE_NAME = re.compile(_NAME + r"\Z")
_ATTRIBUTES_NAME = re.compile(_NAME + r"\.attr\.json\Z")
"""Tied to the end: a stem may hold anything, another file's id too; an extension holds letters and digits only."""


def _harmless(text: str) -> str:
    """The text without anything that a path, a terminal or a script could take for more than a letter."""
    if _PLAIN.fullmatch(text):
        return text
    text = unicodedata.normalize("NFC", text)
    shown = "".join(_REPLACEMENT if c in _RESERVED or unicodedata.category(c) in _UNSEEN else c for c in text)
    return re.sub(r"\A[.\s]+", _REPLACEMENT, shown).rstrip(". ")


def _split(name: str) -> tuple[str, str]:
    """Stem and extension; what is too long for an extension, or not one, stays with the stem."""
    stem, dot, extension = name.rpartition(".")
    if not stem or not extension or not extension.isalnum() or len(extension.encode()) >= MAX_EXTENSION_BYTES:
        return name, ""
    return stem, dot + extension


def _cut(text: str, limit: int) -> str:
    """The longest beginning of `text` that has at most `limit` bytes, ending with a whole character."""
    return text.encode()[:limit].decode(errors="ignore")
