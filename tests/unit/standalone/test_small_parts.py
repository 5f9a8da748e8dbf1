"""Files, logs, the lock, sockets, addresses of databases."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from services.standalone import credentials, database, files, lock, sockets
from services.standalone.credentials import Credentials
from services.standalone.errors import AlreadyRunningError


def test_a_private_file_is_private_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        files.write(tmp_path / "secret", "x", mode=files.PRIVATE)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600


def test_a_file_is_replaced_whole_and_nothing_else_is_left(tmp_path: Path) -> None:
    files.write_json(tmp_path / "a.json", {"n": 1})
    files.write_json(tmp_path / "a.json", {"n": 2})
    assert files.read_json(tmp_path / "a.json") == {"n": 2}
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.json"]


def test_the_tail_of_a_log_is_what_this_process_wrote(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_text("old\n")
    begins = log.stat().st_size
    log.write_text("old\n" + "".join(f"line {n}\n" for n in range(100)))
    assert files.tail(log, after=begins, lines=2) == "line 98\nline 99"
    assert files.tail(tmp_path / "none") == ""
    log.write_text("begun anew\n")
    assert files.tail(log, after=begins + 1000) == "begun anew"


def test_a_second_run_is_refused_and_told_by_whom(tmp_path: Path) -> None:
    with lock.held(tmp_path / "lock"):
        holder = lock.holder(tmp_path / "lock")
        assert holder is not None
        assert holder.pid == os.getpid()
        with pytest.raises(AlreadyRunningError, match=str(os.getpid())), lock.held(tmp_path / "lock"):
            pass
    assert lock.holder(tmp_path / "lock") is None
    assert not lock.is_held(tmp_path / "lock")


def test_a_child_does_not_keep_the_lock(tmp_path: Path) -> None:
    with lock.held(tmp_path / "lock"):
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        assert not lock.is_held(tmp_path / "lock")
    finally:
        child.communicate(b"\n")


def test_secrets_are_made_once_and_private(tmp_path: Path) -> None:
    made = Credentials(tmp_path)
    secret = credentials.read(made.client_secret)
    assert len(secret) == 43
    assert credentials.read(Credentials(tmp_path).client_secret) == secret
    assert credentials.read(made.client_id).startswith("sa_system_")
    assert len(credentials.read(made.admin_password)) >= 12
    assert {stat.S_IMODE(entry.stat().st_mode) for entry in tmp_path.iterdir()} == {0o600}


def test_a_short_path_is_used_as_it_is() -> None:
    assert sockets.short_folder(Path("/run/artstore")) == (Path("/run/artstore"), None)


def test_a_long_path_gets_a_short_link_that_is_removed_without_what_it_leads_to(tmp_path: Path) -> None:
    run = tmp_path / ("x" * 100)
    run.mkdir()
    (run / "kept").write_text("")
    short, made = sockets.short_folder(run)
    assert made is not None
    assert short.resolve() == run.resolve()
    assert len(os.fsencode(short / sockets.LONGEST_NAME)) <= sockets.LONGEST_PATH
    sockets.drop(made)
    assert not made.exists()
    assert (run / "kept").exists()


@pytest.mark.parametrize(
    ("dsn", "expected"),
    [
        ("postgresql://owner:old@db.example:5433/art", "postgresql://reader:n%2Few@db.example:5433/art"),
        ("postgresql://db.example/art?sslmode=require", "postgresql://reader:n%2Few@db.example/art?sslmode=require"),
        ("postgres://o:p%40@h1:1,h2:2/art", "postgres://reader:n%2Few@h1:1,h2:2/art"),
        (
            "postgresql:///art?host=/run/pg&user=owner&password=old",
            "postgresql://reader:n%2Few@/art?host=%2Frun%2Fpg",
        ),
    ],
)
def test_the_same_database_for_another_role(dsn: str, expected: str) -> None:
    assert database.with_role(dsn, "reader", "n/ew") == expected


def test_two_homes_on_one_server_have_query_roles_of_their_own(tmp_path: Path) -> None:
    made = Credentials(tmp_path)
    one, two = (database.external("postgresql://o:p@h/d", made, name) for name in ("aaaa", "bbbb"))
    assert one.query_role != two.query_role
    assert one.query_role in one.query_dsn
