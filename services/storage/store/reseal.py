"""Sealing anew what a person has edited on purpose. The element should be stopped meanwhile."""

from __future__ import annotations

from pathlib import Path

from services.storage.domain.documents import MAX_BYTES, document_of
from services.storage.domain.names import ATTRIBUTES_SUFFIX
from services.storage.domain.seal import SEAL, CorruptDocument, parse, seal
from services.storage.store.durable import read_file, sync_folder, write_file
from services.storage.store.fs import FileSystem
from services.storage.store.refusal import ElementRefused

_READ_AT_MOST = 1 << 20


def reseal(fs: FileSystem, path: Path) -> None:
    """Seal the JSON object in `path` anew. Raises `ElementRefused` if it is none, or no valid document."""
    try:
        members = parse(read_file(fs, path, _READ_AT_MOST))
        members.pop(SEAL, None)
        text = seal(members)
        if path.name.endswith(ATTRIBUTES_SUFFIX):
            document_of(members)
            if len(text) > MAX_BYTES:
                raise CorruptDocument(f"it has {len(text)} bytes; at most {MAX_BYTES} are allowed")
        temporary = path.with_name(f".{path.name}.sealing")
        write_file(fs, temporary, text)
        fs.rename(temporary, path)
        sync_folder(fs, path.parent)
    except CorruptDocument as error:
        raise ElementRefused(f"{path}: {error}") from error
    except OSError as error:
        raise ElementRefused(f"{path}: {error.strerror}") from error
