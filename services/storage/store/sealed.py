"""Sealed JSON files other than attributes: `element.json`, `mode.json`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from services.storage.domain.seal import CorruptDocument, unseal
from services.storage.store.durable import read_file
from services.storage.store.fs import FileSystem
from services.storage.store.refusal import ElementRefused

MAX_BYTES = 64 << 10


def read_sealed(fs: FileSystem, path: Path) -> dict[str, Any] | None:
    """The members of a sealed file; None if there is none. Raises `ElementRefused` if it cannot be read or trusted."""
    try:
        return unseal(read_file(fs, path, MAX_BYTES))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ElementRefused(f"{path} cannot be read: {error.strerror}") from error
    except CorruptDocument as error:
        raise ElementRefused(
            f"{path} is damaged: {error}. After checking it, seal it again with: python -m services.storage seal {path}"
        ) from error
