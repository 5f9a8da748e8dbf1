"""Small files written whole: a reader sees the old or the new content, never a part."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

PRIVATE = 0o600


def write(path: Path, content: str | bytes, *, mode: int = 0o644, durable: bool = True) -> None:
    """Replace `path` by a file of exactly this mode, never readable by more people even while it is written.

    `durable` is for what must survive a power cut.
    """
    data = content.encode() if isinstance(content, str) else content
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(data)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if durable:
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Have what was made, renamed or removed in a folder survive a power cut: the entries, not what is in the files."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_json(path: Path, value: object, *, mode: int = 0o644, durable: bool = True) -> None:
    """Replace `path` by this value as indented JSON."""
    write(path, json.dumps(value, indent=2) + "\n", mode=mode, durable=durable)


def read_json(path: Path) -> dict[str, Any] | None:
    """Return the object in `path`, or None if there is no such file or it is damaged."""
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def remove(path: Path) -> None:
    """Remove a file, a link, or a folder with all in it, if there is one. No link is followed."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def tail(path: Path, *, after: int = 0, lines: int = 20) -> str:
    """Return the last lines of a log, of what was written after this many bytes; "" if there is nothing."""
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            # A log that was set aside meanwhile begins anew.
            file.seek(max(after if after <= size else 0, size - 16384))
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:])
