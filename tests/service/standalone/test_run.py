"""Whole runs from the command line: starts, ends of every kind, and what they leave."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import httpx
import psutil
import pytest

from services.standalone import logs
from services.standalone.identity import Identity
from tests.support.mesh import UP_TIMEOUT, Mesh
from tests.support.postgres import running_postgres

PROCESSES = {"postgres", "envoy", "admin", "ingester", "query", "gateway", "se-edit-01", "se-rw-01"}


@pytest.fixture(scope="module")
def shared() -> Iterator[Mesh]:
    made = Mesh.start()
    yield made
    made.close()


@pytest.fixture
def mesh(shared: Mesh) -> Mesh:
    """A mesh that runs, whatever the test before has done to it."""
    if shared.command("status").returncode != 0:
        shared.down()
        shared.up()
    shared.reread()
    return shared


def supervisor(mesh: Mesh) -> Identity:
    found = Identity.from_json(json.loads((mesh.home / "standalone.lock").read_text()))
    assert found is not None
    return found


def running(mesh: Mesh) -> list[psutil.Process]:
    """Return every process that has something of this home open, or in its command line."""
    found = []
    for process in psutil.process_iter():
        try:
            if str(mesh.home) in " ".join([*process.cmdline(), process.cwd(), *process.environ().values()]):
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return [process for process in found if process.pid != os.getpid()]


def until(happened: Callable[[], bool], patience: float = 30) -> None:
    """Wait for something that only other processes know."""
    deadline = time.monotonic() + patience
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def upload(mesh: Mesh) -> str:
    """Store a small document and return its id; an element that a test has just killed is waited for."""
    answers: list[httpx.Response] = []

    def taken() -> bool:
        with mesh.client(mesh.token()) as client:
            parameters = {"filename": "a.txt", "retention_policy": "permanent"}
            answers.append(client.put("/files/content", params=parameters, content=b"a"))
        return answers[-1].status_code != 503

    until(taken)
    assert answers[-1].status_code == 201, answers[-1].text
    return str(answers[-1].json()["file_id"])


def downloads(mesh: Mesh, file_id: str) -> bytes:
    with mesh.client(mesh.token()) as client:
        return client.get(f"/files/{file_id}/download").content


def test_the_descriptor_says_how_to_reach_everything(mesh: Mesh) -> None:
    info = mesh.info
    assert info["base_url"] == f"https://localhost:{mesh.port}"
    assert info["grpc_address"] == f"localhost:{mesh.port}"
    assert info["client_id"].startswith("sa_")
    assert info["client_secret"]
    assert info["admin_username"] == "admin"
    assert info["admin_password"]
    assert stat.S_IMODE((mesh.home / "standalone.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(Path(info["envoy_admin"]).stat().st_mode) == 0o600
    assert info["processes"].keys() == PROCESSES
    for name, process in info["processes"].items():
        assert psutil.pid_exists(process["pid"])
        assert ("grpc" in process) == (name not in {"postgres", "envoy", "gateway"})
        assert ("ops" in process) == (name not in {"postgres", "envoy"})
        assert ("data_dir" in process) == (name in {"postgres", "se-edit-01", "se-rw-01"})


def test_no_secret_is_in_a_command_line_or_a_log(mesh: Mesh) -> None:
    secrets = {
        path.read_text().strip() for path in (mesh.home / "secrets").iterdir() if path.name != "system-client-id"
    }
    shown = "".join(" ".join(process.cmdline()) for process in running(mesh))
    shown += "".join(path.read_text() for path in (mesh.home / "logs").iterdir())
    assert len(secrets) == 6
    assert not any(secret in shown for secret in secrets)


def test_everything_listens_on_loopback_only(mesh: Mesh) -> None:
    listening = {
        connection.laddr.ip
        for process in running(mesh)
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert listening <= {"127.0.0.1", "::ffff:127.0.0.1", "::1"}


def test_status_shows_every_process(mesh: Mesh) -> None:
    shown = mesh.command("status")
    assert shown.returncode == 0
    for name, process in mesh.info["processes"].items():
        assert re.search(rf"^{name} +{process['pid']} +ready ", shown.stdout, re.MULTILINE)


def test_a_second_start_on_the_same_home_is_refused(mesh: Mesh) -> None:
    for arguments in (["up"], ["up", "--detach"]):
        refused = mesh.command(*arguments)
        assert refused.returncode == 1
        assert f"already runs on {mesh.home} (process {supervisor(mesh).pid})" in refused.stdout
    assert mesh.command("status").returncode == 0


def test_a_reset_is_refused_while_it_runs(mesh: Mesh) -> None:
    refused = mesh.command("reset", "--yes")
    assert refused.returncode == 1
    assert "stop it first" in refused.stdout
    assert mesh.command("status").returncode == 0


@pytest.mark.parametrize("name", ["gateway", "postgres", "envoy", "se-rw-01"])
def test_a_killed_process_is_started_again_and_all_goes_on(mesh: Mesh, name: str) -> None:
    file_id = upload(mesh)
    before = mesh.pid(name)
    os.kill(before, signal.SIGKILL)
    until(lambda: mesh.pid(name) != before)
    until(lambda: mesh.command("status").returncode == 0)
    until(lambda: works(mesh, file_id))
    log = (mesh.home / "logs/standalone.log").read_text()
    assert re.search(rf"{name} +was ended by SIGKILL; starting it again", log)
    assert re.search(rf"{name} +ready again, process {mesh.pid(name)}", log)


def works(mesh: Mesh, file_id: str) -> bool:
    """Whether a document can be read (connections of others to what was killed need a moment)."""
    try:
        return downloads(mesh, file_id) == b"a"
    except (AssertionError, OSError):
        return False


def test_logs_that_grow_are_set_aside_while_everything_runs(mesh: Mesh) -> None:
    folder = mesh.home / "logs"
    access, own = folder / "envoy-access.log", folder / "query.log"
    upload(mesh)
    before = access.stat().st_ino
    for log in (access, own):
        with log.open("ab") as file:
            file.write(b"x" * logs.LARGEST + b"\n")
    until(lambda: (folder / "envoy-access.log.1").exists() and (folder / "query.log.1").exists())
    assert (folder / "envoy-access.log.1").stat().st_ino == before
    until(access.exists)
    upload(mesh)
    until(lambda: b'"path":"/api/v1/files/content"' in access.read_bytes())
    assert own.stat().st_size < logs.LARGEST
    # A process that is ended writes a last line: into the same file.
    inode, lines = own.stat().st_ino, own.stat().st_size
    os.kill(mesh.pid("query"), signal.SIGTERM)
    until(lambda: own.stat().st_size > lines)
    assert own.stat().st_ino == inode
    assert b"\0" not in own.read_bytes()
    until(lambda: mesh.command("status").returncode == 0)


def test_after_the_supervisor_was_killed_the_next_start_cleans_up_and_goes_on(mesh: Mesh) -> None:
    file_id = upload(mesh)
    earlier = [Identity(p.pid, "") for p in running(mesh)]
    # Frozen, so that they cannot hear that their supervisor has gone: the worst that a kill can leave.
    for name in ("query", "se-edit-01"):
        os.kill(mesh.pid(name), signal.SIGSTOP)
    supervisor(mesh).send(signal.SIGKILL)
    until(lambda: mesh.command("status").returncode == 3)
    said = mesh.up()
    assert re.search(r"leftovers .*(query|se-edit-01) \(\d+\)", said)
    assert {process.pid for process in running(mesh)} & {process.pid for process in earlier} == set()
    assert downloads(mesh, file_id) == b"a"


def test_down_ends_what_a_killed_supervisor_left(mesh: Mesh) -> None:
    os.kill(mesh.pid("admin"), signal.SIGSTOP)
    supervisor(mesh).send(signal.SIGKILL)
    assert mesh.command("down").returncode == 0
    assert running(mesh) == []
    assert not (mesh.home / "standalone.json").exists()


def test_down_leaves_nothing_and_may_be_repeated(mesh: Mesh) -> None:
    ports = {process["ops"] for process in mesh.info["processes"].values() if "ops" in process}
    mesh.down()
    assert running(mesh) == []
    assert not (mesh.home / "standalone.json").exists()
    assert [path for path in mesh.home.rglob("*") if path.is_socket()] == []
    assert mesh.command("status").returncode == 3
    assert "does not run" in mesh.down()
    assert set(json.loads((mesh.home / "ports.json").read_text()).values()) >= ports


def test_a_port_that_is_taken_is_told_with_the_setting(mesh: Mesh) -> None:
    mesh.down()
    with closing(socket.create_server(("127.0.0.1", mesh.port))):
        refused = mesh.command("up", "--detach")
    assert refused.returncode == 1
    assert f"Port {mesh.port} on 127.0.0.1 is taken" in refused.stdout
    assert "ARTSTORE_PORT" in refused.stdout
    assert running(mesh) == []


def test_an_inner_port_that_was_taken_meanwhile_is_replaced(mesh: Mesh) -> None:
    file_id = upload(mesh)
    taken = mesh.info["processes"]["se-rw-01"]["grpc"]
    mesh.down()
    with closing(socket.create_server(("127.0.0.1", taken))):
        said = mesh.up()
        assert mesh.info["processes"]["se-rw-01"]["grpc"] != taken
        assert "registered se-rw-01; all online" in said
        assert downloads(mesh, file_id) == b"a"


def test_a_start_that_fails_says_why_and_leaves_nothing(mesh: Mesh) -> None:
    mesh.down()
    identity = mesh.data_dir("se-rw-01") / "element.json"
    kept = identity.read_bytes()
    identity.write_text("{}")
    try:
        failed = mesh.command("up", "--detach")
    finally:
        identity.write_bytes(kept)
    assert failed.returncode == 1
    assert "ArtStore did not start: se-rw-01 ended with status" in failed.stdout
    assert str(mesh.home / "logs/se-rw-01.log") in failed.stdout
    assert re.search(r"^  \| .*element\.json", failed.stdout, re.MULTILINE)
    assert running(mesh) == []


def test_a_rotated_secret_is_told_and_the_new_one_can_be_given(mesh: Mesh) -> None:
    secret = mesh.home / "secrets/system-client-secret"
    kept = secret.read_text()
    mesh.down()
    secret.write_text("not the one that Admin knows")
    try:
        said = mesh.up()
        assert "not registered anew" in said
        assert mesh.info["client_secret"] is None
        assert str(secret) in mesh.info["client_secret_note"]
        mesh.down()
    finally:
        secret.write_text(kept)
    mesh.up()
    assert mesh.info["client_secret"] == kept
    assert "client_secret_note" not in mesh.info


def foreground(mesh: Mesh) -> subprocess.Popen[str]:
    """Start a run that stays, and return when it is ready."""
    process = subprocess.Popen(
        [sys.executable, "-m", "services.standalone", "up"],
        env={**os.environ, "ARTSTORE_HOME": str(mesh.home), "ARTSTORE_PORT": str(mesh.port)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("ArtStore is ready"):
            break
    return process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_in_the_foreground_a_signal_stops_everything_in_order(mesh: Mesh, number: signal.Signals) -> None:
    mesh.down()
    process = foreground(mesh)
    process.send_signal(number)
    said, _ = process.communicate(timeout=UP_TIMEOUT)
    assert process.returncode == 0
    stopped = re.findall(r"(\S+) +stopped \(", said)
    assert set(stopped) == PROCESSES
    assert stopped[:2] == ["envoy", "gateway"]
    assert set(stopped[2:4]) == {"ingester", "query"}
    assert stopped[4] == "admin"
    assert stopped[-1] == "postgres"
    assert running(mesh) == []


def test_a_second_signal_does_not_wait(mesh: Mesh) -> None:
    mesh.down()
    process = foreground(mesh)
    os.kill(mesh.pid("query"), signal.SIGSTOP)  # would be waited for
    process.send_signal(signal.SIGINT)
    assert process.stdout is not None
    for line in process.stdout:
        if "stopped (" in line:
            break
    process.send_signal(signal.SIGINT)
    began = time.monotonic()
    process.communicate(timeout=UP_TIMEOUT)
    assert time.monotonic() - began < 20
    assert running(mesh) == []


def test_a_start_that_is_interrupted_leaves_nothing(mesh: Mesh) -> None:
    mesh.down()
    process = subprocess.Popen(
        [sys.executable, "-m", "services.standalone", "up"],
        env={**os.environ, "ARTSTORE_HOME": str(mesh.home), "ARTSTORE_PORT": str(mesh.port)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if "postgres " in line:
            break
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=UP_TIMEOUT)
    assert "ArtStore has stopped" in said
    assert process.returncode == 0
    assert running(mesh) == []


def test_two_runs_side_by_side_and_the_end_of_one(mesh: Mesh) -> None:
    other = Mesh.start()
    try:
        assert upload(other)
        assert upload(mesh)
        other.down()
        assert upload(mesh)
        deleted = other.command("reset")
        assert deleted.returncode == 1
        assert "--yes" in deleted.stdout
        assert other.data_dir("se-rw-01").exists()
        deleted = other.command("reset", "--yes")
        assert deleted.returncode == 0
        assert not other.home.exists()
    finally:
        other.close()


def test_a_reset_touches_nothing_that_is_no_home(mesh: Mesh, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    other = Mesh(tmp_path)
    other.home = tmp_path
    refused = other.command("reset", "--yes")
    assert refused.returncode == 1
    assert "not an ArtStore home" in refused.stdout
    refused = other.command("up", "--detach")
    assert refused.returncode == 1
    assert "thesis.txt" in refused.stdout
    assert [entry.name for entry in tmp_path.iterdir()] == ["thesis.txt"]
    assert mesh.command("status").returncode == 0


async def test_with_a_postgresql_of_ones_own_and_a_long_path_with_everything_in_it(tmp_path: Path) -> None:
    with running_postgres() as server:
        database = await server.create_database()
        made = Mesh(tmp_path)
        made.home = tmp_path / 'путь с "кавычками", $PATH и # решёткой, длиннее, чем позволено сокету'
        made.environment["ARTSTORE_POSTGRES_DSN"] = database.owner_dsn
        try:
            made.up()
            assert downloads(made, upload(made)) == b"a"
            assert "postgres" not in made.info["processes"]
            assert not (made.home / "postgres/data").exists()
            admin = Path(made.info["envoy_admin"])
            assert not admin.is_relative_to(made.home)  # by a short link
            made.down()
            assert not admin.parents[1].exists()
        finally:
            made.close()
