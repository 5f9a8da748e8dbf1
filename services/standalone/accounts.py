"""The account that PostgreSQL runs as when we are root, since it refuses to be root itself.

An existing one is used. None is made, and no folder's mode is changed to let it in.
"""

from __future__ import annotations

import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.standalone.errors import StandaloneError


@dataclass(frozen=True)
class Account:
    """An account of the system."""

    name: str
    uid: int
    gid: int


def for_postgres(name: str) -> Account | None:
    """Return the account to change to, or None if we are not root and stay who we are."""
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        raise StandaloneError(
            f"PostgreSQL does not run as root, and there is no account {name!r}: "
            "set ARTSTORE_POSTGRES_USER to an existing account without rights of its own."
        ) from None
    if entry.pw_uid == 0:
        raise StandaloneError("PostgreSQL does not run as root: set ARTSTORE_POSTGRES_USER to another account.")
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def rights(account: Account | None) -> dict[str, Any]:
    """Return what `subprocess` must be told so that a program runs with that account's rights and no others."""
    return {"user": account.uid, "group": account.gid, "extra_groups": []} if account else {}


def require_passage(account: Account, folder: Path) -> None:
    """Raise `StandaloneError`, naming the folder in the way, unless `account` can reach `folder`."""
    way = [*reversed(folder.parents), folder]
    barred = _first_barred(account, way)
    if barred is not None:
        raise StandaloneError(
            f"PostgreSQL runs as {account.name!r} when ArtStore is started by root, and {account.name!r} may not enter "
            f"{barred}. Give it the right to pass (chmod o+x {barred}), set ARTSTORE_HOME to a folder elsewhere, or "
            "run ArtStore as an ordinary user."
        )


_TRY_EACH = 'for each; do [ -x "$each" ] || { printf %s "$each"; exit 1; }; done'


def _first_barred(account: Account, way: list[Path]) -> Path | None:
    """Try it as that account: modes alone do not tell (ACLs, mounts)."""
    tried = subprocess.run(
        ["/bin/sh", "-c", _TRY_EACH, "sh", *way],
        **rights(account),
        # Root's environment may hold a DSN, and whoever has the account can read that of its processes.
        env={},
        cwd="/",
        stdout=subprocess.PIPE,
        check=False,
    )
    return Path(os.fsdecode(tried.stdout)) if tried.returncode else None
