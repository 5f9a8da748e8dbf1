"""The embedded PostgreSQL: made once, started as a child like the others, prepared for Admin.

It listens on a Unix socket only, everybody must give a password (SCRAM), and it runs as an ordinary account. When that
is another than ours (as root), every one of its programs runs as that account, psql too, and it owns its data and the
folder of its socket alone: `postgres/` and the programs in it are ours, so that nobody else can replace them.
"""

from __future__ import annotations

import asyncio
import locale
import os
import signal
import subprocess
import time
import urllib.parse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from services.standalone import accounts, files, identity, register
from services.standalone.accounts import Account
from services.standalone.credentials import Credentials, read
from services.standalone.errors import StandaloneError

SUPERUSER = "postgres"
OWNER = "artstore_admin"
DATABASE = "artstore"
PORT = 5432
"""Only part of the socket's name: nothing listens on TCP."""

ORPHANS_PATIENCE = 10.0
"""Seconds that the processes of a killed server get to notice it."""


_PREPARATION = r"""
SELECT NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'owner') AS new_role,
       NOT EXISTS (SELECT FROM pg_database WHERE datname = :'database') AS new_database \gset
\if :new_role
  CREATE ROLE :"owner";
\endif
ALTER ROLE :"owner" LOGIN CREATEROLE PASSWORD :'password';
\if :new_database
  CREATE DATABASE :"database" OWNER :"owner";
\endif
"""
"""For psql, with its variables set."""


@dataclass(frozen=True)
class Cluster:
    """One data folder and the programs for it."""

    folder: Path
    programs: Path
    sockets: Path
    """The folder of its socket, by a short path."""
    account: Account | None
    credentials: Credentials

    @property
    def data(self) -> Path:
        """PostgreSQL's own folder."""
        return self.folder / "data"

    @property
    def command(self) -> tuple[str, ...]:
        """The server's command line."""
        options = {
            "listen_addresses": "",
            # A list with commas: quoted, a path may hold anything.
            "unix_socket_directories": '"{}"'.format(str(self.sockets).replace('"', '""')),
            "unix_socket_permissions": "0700",
            "port": str(PORT),
            "max_connections": "100",
            "log_line_prefix": "%m [%p] %q%u@%d ",
            # A failed statement may hold a password (ALTER ROLE); its error is logged all the same.
            "log_min_error_statement": "panic",
        }
        settings = (part for name, value in options.items() for part in ("-c", f"{name}={value}"))
        return (str(self.programs / "postgres"), "-D", str(self.data), *settings)

    def dsn(self, user: str = OWNER, password: Path | None = None) -> str:
        """Return the address of the database for a role, password included: for environments, never for arguments."""
        secret = read(password or self.credentials.database_password)
        query = urllib.parse.urlencode({"host": str(self.sockets), "port": PORT})
        return f"postgresql://{user}:{urllib.parse.quote(secret, safe='')}@/{DATABASE}?{query}"

    def create(self) -> bool:
        """Make the data folder if there is none; return whether it was made. Blocks for a second or two."""
        self._have(self.folder, 0o711)
        self._have(self.sockets, 0o700)
        self._give(self.sockets)
        if self.data.exists():
            self._require_same_version()
            return False
        fresh, password = self.folder / "data.new", self.folder / "initial-password"
        # A start that was killed may have left its initdb at work.
        unfinished = [*identity.with_working_directory(self.folder), *identity.with_working_directory(fresh)]
        register.end(unfinished, signal.SIGTERM, 1.0, signal.SIGKILL)
        files.remove(fresh)
        fresh.mkdir(mode=0o700)
        files.write(password, read(self.credentials.postgres_password), mode=files.PRIVATE)
        for path in (fresh, password):
            self._give(path)
        try:
            self._run(
                [
                    self.programs / "initdb",
                    f"--pgdata={fresh}",
                    f"--username={SUPERUSER}",
                    f"--pwfile={password}",
                    "--auth=scram-sha-256",
                    "--encoding=UTF8",
                    # Sorting by code point, the same on every system and for ever; what is a letter comes from the
                    # system's UTF-8 locale, without which pg_trgm and full text see no Cyrillic.
                    "--locale-provider=builtin",
                    "--builtin-locale=C.UTF-8",
                    f"--locale={_utf8_locale()}",
                ]
            )
        finally:
            password.unlink(missing_ok=True)
        fresh.rename(self.data)
        files.sync_folder(self.folder)
        return True

    async def ready(self) -> str | None:
        """Return None when it takes connections, else why not (as `pg_ctl` sees it: from the server's own file)."""
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except OSError:
            return "it has not begun"
        if len(lines) < 8 or lines[7].strip() != "ready":
            return "it is starting or recovering"
        # A server that was killed leaves its file as it was.
        return None if identity.stands_in(int(lines[0]), self.data) else "it has not begun"

    async def prepare(self) -> None:
        """Make the owner and its database, or give the owner its present password. Repeatable."""
        variables = {"owner": OWNER, "database": DATABASE, "password": read(self.credentials.database_password)}
        await self._sql("".join(f"\\set {name} {value}\n" for name, value in variables.items()) + _PREPARATION)

    async def wait_for_orphans(self) -> None:
        """Wait until no process of an earlier server is left in the data folder, ending it at the end.

        A server that was killed leaves its helpers for a moment, and a new one refuses to start beside them.
        """
        await asyncio.to_thread(end_leftovers, self.data, ORPHANS_PATIENCE)

    async def _sql(self, script: str) -> None:
        """Run statements as the superuser; they go in through the pipe, the password through the environment.

        Only its account can read that environment, and the data are its own.
        """
        process = await asyncio.create_subprocess_exec(
            self.programs / "psql",
            *("--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--no-password"),
            *(f"--host={self.sockets}", f"--port={PORT}", f"--username={SUPERUSER}", "--dbname=postgres"),
            env={"PGPASSWORD": read(self.credentials.postgres_password), "PATH": os.defpath},
            cwd=self.folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            **accounts.rights(self.account),
        )
        _, errors = await process.communicate(script.encode())
        if process.returncode:
            raise StandaloneError(f"PostgreSQL could not be prepared: {errors.decode(errors='replace').strip()}")

    def _require_same_version(self) -> None:
        version = self._run([self.programs / "postgres", "--version"]).split()[2].partition(".")[0]
        made_by = (self.data / "PG_VERSION").read_text().strip()
        if made_by != version:
            raise StandaloneError(
                f"{self.data} was made by PostgreSQL {made_by}, and the installed one is {version}. "
                f"The registry can be rebuilt from the elements: move {self.folder} away and start again."
            )

    def _have(self, folder: Path, mode: int) -> None:
        """Have a folder of ours; `mode` is for one that another account must get into."""
        if not folder.exists():
            folder.mkdir(mode=0o700)
            folder.chmod(mode if self.account else 0o700)

    def _give(self, path: Path) -> None:
        """Give a file to the server's account: only one in a folder of ours, where nobody else can have laid a link."""
        if self.account:
            os.chown(path, self.account.uid, self.account.gid)

    def _run(self, command: Sequence[str | Path]) -> str:
        """Run one of the programs as the server's account. Raises `StandaloneError` with what it said."""
        done: subprocess.CompletedProcess[bytes] = subprocess.run(
            command,
            cwd=self.folder,
            env={"PATH": os.defpath, "LC_ALL": "C", "TMPDIR": str(self.sockets)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            **accounts.rights(self.account),
        )
        if done.returncode:
            said = (done.stdout + done.stderr).decode(errors="replace").strip()
            raise StandaloneError(f"{Path(command[0]).name} failed:\n{said}")
        return done.stdout.decode(errors="replace")


def end_leftovers(data: Path, patience: float) -> int:
    """End the server and its helpers that still stand in this data folder, however they got there; return how many.

    Recognised by where they stand: the server and each of its processes has the data folder as working directory.
    """
    found = identity.with_working_directory(data)
    if not found:
        return 0
    deadline = time.monotonic() + patience
    if server := _server_of(data, found):
        # Fast shutdown; else an immediate one, after which the journal makes it whole.
        register.end([server], signal.SIGINT, patience, signal.SIGQUIT)
    while (rest := identity.with_working_directory(data)) and time.monotonic() < deadline:
        time.sleep(0.05)
    register.end(rest, signal.SIGQUIT, 2.0, signal.SIGKILL)
    return len(found)


def _server_of(data: Path, processes: Sequence[identity.Identity]) -> identity.Identity | None:
    """Return the one that the server's own file names: its id alone may be another program's by now."""
    try:
        pid = int((data / "postmaster.pid").read_text().split("\n", 1)[0])
    except (OSError, ValueError):
        return None
    return next((process for process in processes if process.pid == pid), None)


def _utf8_locale() -> str:
    """Return a UTF-8 locale that this system has."""
    before = locale.setlocale(locale.LC_CTYPE)
    try:
        for name in ("C.UTF-8", "C.utf8", "en_US.UTF-8", "UTF-8"):
            try:
                locale.setlocale(locale.LC_CTYPE, name)
            except locale.Error:
                continue
            return name
    finally:
        locale.setlocale(locale.LC_CTYPE, before)
    raise StandaloneError("This system has no UTF-8 locale, which PostgreSQL needs: install C.UTF-8 or en_US.UTF-8.")
