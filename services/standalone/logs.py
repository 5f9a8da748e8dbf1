"""One log a process, kept within bounds at each start."""

from __future__ import annotations

from pathlib import Path

LARGEST = 10 << 20
"""Bytes; a larger log is set aside when its process starts."""
KEPT = 3
"""How many are kept that were set aside: name.log.1 is the youngest."""


def rotate(path: Path) -> None:
    """Set the log aside if it has grown large."""
    try:
        if path.stat().st_size < LARGEST:
            return
    except FileNotFoundError:
        return
    for number in range(KEPT - 1, 0, -1):
        older = _numbered(path, number)
        if older.exists():
            older.replace(_numbered(path, number + 1))
    path.replace(_numbered(path, 1))


def _numbered(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}")
