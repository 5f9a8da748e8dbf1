"""A real PostgreSQL for tests, made as the standalone run makes its own: a folder and a socket, and no TCP port."""

from __future__ import annotations

import itertools
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from os import getpid
from pathlib import Path
from urllib.parse import quote, urlencode

import asyncpg
import pytest

from services.standalone import accounts, software
from services.standalone.credentials import Credentials, read
from services.standalone.postgres import PORT, SUPERUSER, Cluster

START_TIMEOUT = 30.0
"""Seconds until a started server must answer."""
FAST: Mapping[str, str] = {"fsync": "off", "full_page_writes": "off"}
"""Tests outlive no power cut, so they need not wait for the disk; benchmarks do without."""


@dataclass(frozen=True)
class Database:
    """A database that nobody else uses, empty but for its owner."""

    server: PostgresServer
    name: str
    owner_dsn: str
    """As Admin: owns the database and may create roles."""
    query_role: str
    """A name for Query's role that no other test's database uses; roles belong to the whole server."""

    def dsn(self, role: str, password: str) -> str:
        return self.server.dsn(role, password, self.name)


class PostgresServer:
    """One server; `start` and `stop` may be repeated, the data stay."""

    def __init__(self, folder: Path, settings: Mapping[str, str] = FAST) -> None:
        account = accounts.for_postgres("nobody")
        secrets_folder = folder / "secrets"
        secrets_folder.mkdir(mode=0o700)
        self._log = folder / "log"
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = itertools.count(1)
        self._cluster = Cluster(
            folder=folder / "postgres",
            programs=software.postgres(folder / "software" if account else None),
            sockets=folder / "run",
            account=account,
            credentials=Credentials(secrets_folder),
        )
        self._cluster.create()

    def dsn(self, role: str, password: str, database: str) -> str:
        where = urlencode({"host": str(self._cluster.sockets), "port": PORT})
        return f"postgresql://{quote(role)}:{quote(password)}@/{database}?{where}"

    @property
    def superuser_dsn(self) -> str:
        return self.dsn(SUPERUSER, read(self._cluster.credentials.postgres_password), "postgres")

    @property
    def pid(self) -> int:
        """Of the process that all of its others are children of."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Return when it answers."""
        launcher = find_spec("services.standalone.launcher")
        assert launcher is not None
        assert launcher.origin is not None
        account = self._cluster.account
        runs_as = (str(account.uid), str(account.gid)) if account else ("-", "-")
        # Through the launcher, so that it ends with us even when we are killed.
        launch = [sys.executable, "-I", "-S", launcher.origin, str(getpid()), str(int(signal.SIGINT)), *runs_as]
        flags = [part for name, value in self._settings.items() for part in ("-c", f"{name}={value}")]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*launch, *self._cluster.command, *flags],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._cluster.folder,
            )
        self._wait()

    def _wait(self) -> None:
        """PostgreSQL announces its readiness to nobody, but in a file."""
        assert self._process is not None
        deadline = time.monotonic() + START_TIMEOUT
        while not self._says_ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"PostgreSQL did not start:\n{self._log.read_text()[-2000:]}")
            time.sleep(0.02)

    def _says_ready(self) -> bool:
        try:
            lines = (self._cluster.data / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        return len(lines) > 7 and lines[7].strip() == "ready"

    def stop(self) -> None:
        """Fast shutdown: open transactions are rolled back, connections cut."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(20)
        self._process = None

    async def create_database(self) -> Database:
        """An empty database with an owner that may create roles."""
        number = next(self._numbers)
        name, owner, password = f"artstore_{number}", f"artstore_admin_{number}", secrets.token_urlsafe(16)
        connection = await asyncpg.connect(self.superuser_dsn)
        try:
            await connection.execute(f"CREATE ROLE {owner} LOGIN CREATEROLE PASSWORD '{password}'")
            await connection.execute(f"CREATE DATABASE {name} OWNER {owner}")
        finally:
            await connection.close()
        return Database(self, name, self.dsn(owner, password, name), f"artstore_query_{number}")


@contextmanager
def running_postgres(settings: Mapping[str, str] = FAST) -> Iterator[PostgresServer]:
    """A server for as long as the block runs; nothing is left behind."""
    # Not pytest's own folder: as root another account must be able to enter, and a socket's path has 107 bytes at most.
    folder = Path(tempfile.mkdtemp(prefix="artstore-pg-"))
    folder.chmod(0o755)
    server = None
    try:
        server = PostgresServer(folder, settings)
        server.start()
        yield server
    finally:
        if server is not None:
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """One server for all tests; each test makes itself a database."""
    with running_postgres() as server:
        yield server
