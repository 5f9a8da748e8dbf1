"""A folder for Unix sockets whose path is short enough: the system allows 107 bytes for the whole path."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from services.standalone.errors import StandaloneError

LONGEST_PATH = 100
LONGEST_NAME = "postgres/.s.PGSQL.5432"
"""The longest path below the folder that is used for a socket."""


def short_folder(run: Path) -> tuple[Path, Path | None]:
    """Return a short way to `run`, and the folder that was made for it, if one was: to be removed with `drop`."""
    if _fits(run):
        return run, None
    for base in filter(None, (os.environ.get("XDG_RUNTIME_DIR"), tempfile.gettempdir(), "/tmp")):  # noqa: S108 - with a random name below
        if not os.access(base, os.W_OK | os.X_OK) or not _fits(Path(base) / "artstore-xxxxxxxx/run"):
            continue
        folder = Path(tempfile.mkdtemp(prefix="artstore-", dir=base))
        if os.geteuid() == 0:
            folder.chmod(0o711)  # PostgreSQL's own account passes through
        (folder / "run").symlink_to(run)
        return folder / "run", folder
    raise StandaloneError(
        f"{run} is too long for sockets, and no short folder is writable: set ARTSTORE_HOME to a shorter path."
    )


def drop(folder: Path) -> None:
    """Remove a folder that `short_folder` made. What is behind the link stays."""
    if folder.name.startswith("artstore-") and not folder.is_symlink():
        shutil.rmtree(folder, ignore_errors=True)


def _fits(folder: Path) -> bool:
    return len(os.fsencode(folder / LONGEST_NAME)) <= LONGEST_PATH
