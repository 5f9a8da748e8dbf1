"""Any single process is restarted under uploads and downloads: reading never fails, an upload is whole or refused.

A mesh of its own. `ARTSTORE_RESTART_SECONDS` (3): for how long there is load around each restart.
"""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import httpx
import pytest

from tests.support.mesh import Mesh

SECONDS = float(os.environ.get("ARTSTORE_RESTART_SECONDS", "3"))
PATIENCE = 60.0
"""Seconds for a process to be there again: two cores are shared by many."""
SIZE = 300_000
_before: dict[str, int] = {}
"""The ids of processes that were asked to stop."""
PROCESSES = ["gateway", "ingester", "query", "admin", "se-edit-01", "se-rw-01"]


@dataclass
class Seen:
    """What the clients met."""

    read: Counter[str] = field(default_factory=Counter)
    stored: dict[str, str] = field(default_factory=dict)
    """The ids of uploads that were confirmed, by their unique file names."""
    refused: list[str] = field(default_factory=list)
    """The file names of those that were refused."""
    wrong: list[str] = field(default_factory=list)
    """What may not happen, in words."""


@pytest.fixture(scope="module")
def mesh() -> Iterator[Mesh]:
    made = Mesh.start()
    yield made
    made.close()


@pytest.fixture(autouse=True)
def all_is_well(mesh: Mesh) -> None:
    """Each test begins once what the one before has restarted is in full use again: Admin, for one, has seen it."""
    ends = time.monotonic() + PATIENCE
    while not takes_everything(mesh):
        assert time.monotonic() < ends, "the mesh did not become well"
        time.sleep(0.2)


def takes_everything(mesh: Mesh) -> bool:
    """Whether a token is given out and each kind of document is taken."""
    credentials = (mesh.info["client_id"], mesh.info["client_secret"])
    with mesh.client() as client:
        token = client.post("/auth/token", data={"grant_type": "client_credentials"}, auth=credentials)
        if token.status_code != 200:
            return False
        headers = {"Authorization": f"Bearer {token.json()['access_token']}"}
        for policy in ("permanent", "temporary"):
            parameters = {"filename": "well", "retention_policy": policy}
            if client.put("/files/content", params=parameters, content=b"x", headers=headers).status_code != 201:
                return False
    return True


class Load:
    """One client that reads all the time, and one that writes."""

    def __init__(self, mesh: Mesh, token: str, policy: str, word: str) -> None:
        self._mesh, self._token, self._policy, self._word = mesh, token, policy, word
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._read), threading.Thread(target=self._write)]
        self._content = os.urandom(SIZE)
        self.seen = Seen()
        with mesh.client(token) as client:
            self._known = self._put(client, f"{word}-known").json()["file_id"]

    def __enter__(self) -> Seen:
        for thread in self._threads:
            thread.start()
        return self.seen

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _read(self) -> None:
        digest = hashlib.sha256(self._content).digest()
        with self._mesh.client(self._token) as client:
            while not self._over.is_set():
                for path in (f"/files/{self._known}", f"/files/{self._known}/download"):
                    try:
                        answer = client.get(path)
                    except httpx.HTTPError as error:
                        self.seen.wrong.append(f"GET {path}: {error!r}")
                        continue
                    if answer.status_code != 200:
                        self.seen.wrong.append(f"GET {path}: {answer.status_code} {answer.text}")
                    elif path.endswith("download") and hashlib.sha256(answer.content).digest() != digest:
                        self.seen.wrong.append(f"GET {path}: other bytes")
                    self.seen.read[path.rpartition("/")[2]] += 1
                time.sleep(0.02)  # a light load: the machine is shared

    def _write(self) -> None:
        number = 0
        with self._mesh.client(self._token) as client:
            while not self._over.is_set():
                number += 1
                name = f"{self._word}-{number}"
                try:
                    self._note(name, self._put(client, name))
                except httpx.HTTPError as error:
                    self.seen.wrong.append(f"PUT {name}: {error!r}")
                time.sleep(0.02)  # as above

    def _note(self, name: str, answer: httpx.Response) -> None:
        if answer.status_code == 201:
            self.seen.stored[name] = answer.json()["file_id"]
        elif answer.status_code == 503 and "error" in answer.json() and int(answer.headers["retry-after"]) > 0:
            self.seen.refused.append(name)
        else:
            self.seen.wrong.append(f"PUT {name}: {answer.status_code} {answer.text}")

    def _put(self, client: httpx.Client, name: str) -> httpx.Response:
        parameters = {"filename": name, "retention_policy": self._policy, "tags": self._word}
        return client.put("/files/content", params=parameters, content=self._content)


def restarted(mesh: Mesh, process: str) -> None:
    """Ask a process to stop; return once the supervisor has another one ready in its place."""
    _before[process] = mesh.pid(process)
    os.kill(_before[process], signal.SIGTERM)
    back(mesh, process)


def line_of(mesh: Mesh, process: str) -> str:
    """What `status` says of a process."""
    return next(line for line in mesh.command("status").stdout.splitlines() if line.startswith(f"{process} "))


def found(client: httpx.Client, word: str) -> list[str]:
    """The names of all documents of a test."""
    names: list[str] = []
    cursor = None
    while True:
        body = {"tags": [word], "limit": 500, **({"cursor": cursor} if cursor else {})}
        page = client.post("/search", json=body).json()
        names += [item["original_filename"] for item in page["items"]]
        cursor = page.get("next_cursor")
        if not cursor:
            return names


@pytest.mark.timeout(180)
@pytest.mark.parametrize("process", PROCESSES)
def test_a_restart_under_load_is_not_noticed_by_readers(
    mesh: Mesh, word: str, process: str, record_property: Callable[[str, object], None]
) -> None:
    policy = "temporary" if process == "se-edit-01" else "permanent"
    token = mesh.token()
    with Load(mesh, token, policy, word) as seen:
        time.sleep(SECONDS / 2)
        restarted(mesh, process)
        time.sleep(SECONDS / 2)
    assert seen.wrong == []
    assert seen.read["download"] > 5
    assert len(seen.stored) > 5
    with mesh.client(token) as client:
        names = found(client, word)
    assert sorted(names) == sorted({f"{word}-known", *seen.stored}), "what was confirmed is there, once, and no more"
    record_property("refused", len(seen.refused))
    record_property("stored", len(seen.stored))


@pytest.mark.timeout(120)
@pytest.mark.parametrize("process", ["gateway", "ingester", "se-rw-01"])
def test_an_upload_under_way_is_finished_by_a_process_that_stops(mesh: Mesh, process: str) -> None:
    # More than any process gathers before it passes something on.
    piece, begun, stopping = os.urandom(1_400_000), threading.Event(), threading.Event()

    def content() -> Iterator[bytes]:
        yield piece
        begun.set()
        assert stopping.wait(PATIENCE)
        for _ in range(5):
            yield piece

    with mesh.client(mesh.token()) as client, ThreadPoolExecutor(1) as pool:
        parameters = {"filename": "slow.bin", "retention_policy": "permanent"}
        upload = pool.submit(client.put, "/files/content", params=parameters, content=content())
        assert begun.wait(PATIENCE)
        time.sleep(0.3)  # until the first piece has gone through every process
        stop_soon(mesh, process, then=stopping)
        answer = upload.result(PATIENCE)
        assert answer.status_code == 201, answer.text
        kept = client.get(f"/files/{answer.json()['file_id']}/download").content
    assert kept == piece * 6
    back(mesh, process)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("process", ["gateway", "query", "se-rw-01"])
def test_a_download_under_way_is_finished_by_a_process_that_stops(mesh: Mesh, process: str) -> None:
    data = os.urandom(24 << 20)  # more than all buffers on the way hold
    with mesh.client(mesh.token()) as client:
        parameters = {"filename": "large.bin", "retention_policy": "permanent"}
        ident = client.put("/files/content", params=parameters, content=data).json()["file_id"]
        with client.stream("GET", f"/files/{ident}/download") as answer:
            pieces = answer.iter_raw()
            read = [next(pieces)]
            stopping = threading.Event()
            stop_soon(mesh, process, then=stopping)
            assert stopping.wait(PATIENCE)
            read += list(pieces)
    assert b"".join(read) == data
    back(mesh, process)


def stop_soon(mesh: Mesh, process: str, *, then: threading.Event) -> None:
    """Ask it to stop; set the event when it takes nothing new any more."""
    _before[process] = mesh.pid(process)
    os.kill(_before[process], signal.SIGTERM)
    described = mesh.info["processes"][process]
    ends = time.monotonic() + PATIENCE
    try:
        while listens(described.get("grpc") or described["http"]):
            assert time.monotonic() < ends, f"{process} goes on listening"
            time.sleep(0.05)
    finally:
        then.set()


def listens(port: int) -> bool:
    """Whether somebody takes connections there."""
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def back(mesh: Mesh, process: str) -> None:
    """Return once another process is ready in its place."""
    ends = time.monotonic() + PATIENCE
    while mesh.pid(process) == _before[process] or "ready" not in line_of(mesh, process):
        assert time.monotonic() < ends, f"{process} did not come back"
        time.sleep(0.1)
