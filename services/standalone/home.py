"""Where everything of a run lies, and how a folder is known to be such a home.

standalone.json      what clients need; there only while the run is ready (0600)
ca.pem               the certificate authority, for clients
ports.json           the inner ports, reused at the next start
standalone.lock      held while a run lives
elements/<id>/data   documents: the storage elements' disks     elements/<id>/index   rebuildable
postgres/            data, and as root the server's binaries (ours; only `data` is the account's that runs the server)
certificates/        keys and certificates of every process (0700)
secrets/             passwords and keys that outlive a run (0700)
logs/                one file a process
run/                 sockets and what the run remembers of its processes
"""

from __future__ import annotations

import os
import secrets
import stat
from dataclasses import dataclass
from pathlib import Path

from services.standalone import files
from services.standalone.errors import NotAHomeError, StandaloneError

MARKER = ".artstore-home.json"
FORMAT = 1

_OWN = frozenset(
    {MARKER, "standalone.json", "ca.pem", "ports.json", "standalone.lock"}
    | {"elements", "postgres", "certificates", "secrets", "logs", "run"}
)
"""Everything that a run makes; a reset removes these and nothing else."""


@dataclass(frozen=True)
class Home:
    """The paths of one home."""

    root: Path

    @property
    def marker(self) -> Path:
        """The file that makes a folder a home."""
        return self.root / MARKER

    @property
    def lock(self) -> Path:
        """Locked while a run lives; holds its process id."""
        return self.root / "standalone.lock"

    @property
    def descriptor(self) -> Path:
        """`standalone.json`: how to reach the run, and with which credentials."""
        return self.root / "standalone.json"

    @property
    def ports(self) -> Path:
        """The inner ports."""
        return self.root / "ports.json"

    @property
    def ca(self) -> Path:
        """The certificate that clients trust."""
        return self.root / "ca.pem"

    @property
    def certificates(self) -> Path:
        """Keys and certificates."""
        return self.root / "certificates"

    @property
    def secrets(self) -> Path:
        """Passwords and keys."""
        return self.root / "secrets"

    @property
    def postgres(self) -> Path:
        """The embedded PostgreSQL: `data`, and as root `software`."""
        return self.root / "postgres"

    @property
    def logs(self) -> Path:
        """One log a process."""
        return self.root / "logs"

    @property
    def run(self) -> Path:
        """Sockets, rendered configurations, and the register of processes."""
        return self.root / "run"

    @property
    def register(self) -> Path:
        """Which processes the run has started."""
        return self.run / "processes.json"

    def log(self, name: str) -> Path:
        """Return the log of one process."""
        return self.logs / f"{name}.log"

    def element(self, storage_id: str) -> Path:
        """Return the folder of one storage element, with `data` and `index` in it."""
        return self.root / "elements" / storage_id

    @property
    def exists(self) -> bool:
        """Whether the folder is a home."""
        return self.marker.is_file()

    def identifier(self) -> str:
        """Return the eight hexadecimal digits that tell this home from others."""
        marker = files.read_json(self.marker)
        if marker is None or not isinstance(marker.get("id"), str):
            raise NotAHomeError(f"{self.marker} is damaged.")
        return str(marker["id"])


def prepare(root: Path) -> Home:
    """Make `root` a home, or find that it is one.

    Raises `NotAHomeError` if it holds something else. The mode of a folder that exists is never changed.
    """
    home = Home(root)
    try:
        if not home.exists:
            _claim(home)
        elif (found := files.read_json(home.marker) or {}).get("format") != FORMAT:
            raise NotAHomeError(f"{root} was made by another version (format {found.get('format')}, not {FORMAT}).")
        # What only the run itself reads, and what PostgreSQL's own account must pass through.
        for folder in (home.certificates, home.secrets, home.logs, root / "elements"):
            folder.mkdir(mode=0o700, exist_ok=True)
        for folder in (home.run, home.postgres):
            _make(folder)
        # A key in a folder that is lost is lost with it.
        files.sync_folder(root)
        if os.geteuid() == 0:
            _take_back(home.postgres)
    except OSError as error:
        raise StandaloneError(f"Cannot use {root} as ARTSTORE_HOME: {error.strerror} ({error.filename}).") from error
    return home


def _claim(home: Home) -> None:
    missing = [folder for folder in (home.root, *home.root.parents) if not folder.exists()]
    for folder in reversed(missing):
        _make(folder)
        files.sync_folder(folder.parent)
    foreign = sorted(entry.name for entry in home.root.iterdir() if entry.name != "lost+found")
    if foreign:
        raise NotAHomeError(
            f"{home.root} is neither empty nor an ArtStore home (it holds {foreign[0]!r}): "
            "set ARTSTORE_HOME to another folder."
        )
    files.write_json(home.marker, {"format": FORMAT, "id": secrets.token_hex(4)})


def _make(folder: Path) -> None:
    """Make one folder: as root passable for PostgreSQL's own account whatever the umask, else for its owner alone."""
    if not folder.exists():
        folder.mkdir(mode=0o700)
        if os.geteuid() == 0:
            folder.chmod(0o711 if folder.name in {"run", "postgres"} else 0o755)


_WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH


def _take_back(folder: Path) -> None:
    """Have `postgres/` belong to root: earlier versions gave it to the account that PostgreSQL runs as.

    That account could have put anything in place of what lies there. The programs are therefore looked at in
    `software.py`; the data are its own, unless a link leads root from them to somewhere else.
    """
    if folder.stat().st_uid != 0:
        os.chown(folder, 0, 0)
    if (mode := stat.S_IMODE(folder.stat().st_mode)) & _WRITABLE_BY_OTHERS:
        folder.chmod(mode & ~_WRITABLE_BY_OTHERS)
    data = folder / "data"
    if data.is_symlink() and data.lstat().st_uid != 0:
        data.unlink()


def remove(home: Home) -> list[str]:
    """Remove what a run made there, and the folder itself if nothing else is left in it; return what was left.

    Raises `NotAHomeError` for any other folder.
    """
    if not home.exists:
        raise NotAHomeError(f"{home.root} is not an ArtStore home: nothing was removed.")
    # The marker goes last: a reset that is cut off can be repeated.
    for name in sorted(_OWN - {MARKER}):
        files.remove(home.root / name)
    home.marker.unlink()
    left = sorted(entry.name for entry in home.root.iterdir())
    if not left and not home.root.is_mount():
        home.root.rmdir()
    return left
