"""One part is away: what needs it says so, the rest goes on, and all is well when it is back. A mesh of its own."""

from __future__ import annotations

import http.client
import json
import os
import secrets
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Self

import httpx
import psutil
import pytest

from tests.support.mesh import Mesh

PATIENCE = 30.0
OUTAGE = float(os.environ.get("ARTSTORE_OUTAGE", "3"))
"""Seconds for which PostgreSQL is away; 60 in the full size."""
ADMIN_OUTAGE = float(os.environ.get("ARTSTORE_ADMIN_OUTAGE", "3"))
"""Seconds for which Admin is away; 600 in the full size."""
LIMIT = 120
"""Seconds that a test may take beside its outage."""
RECOVERY = 10.0
"""Seconds after which all is well again."""
SOON = 5.0
"""Seconds within which a change on a disk is in the registry while its feed is followed."""


@pytest.fixture(scope="module")
def mesh() -> Iterator[Mesh]:
    made = Mesh.start()
    yield made
    made.close()


@pytest.fixture(scope="module")
def client(mesh: Mesh) -> Iterator[httpx.Client]:
    with mesh.client(mesh.token()) as made:
        yield made


@contextmanager
def away(mesh: Mesh, process: str) -> Iterator[None]:
    """Kill a process, and keep the supervisor from starting it again until the block ends."""
    pid = mesh.pid(process)
    supervisor = psutil.Process(pid).ppid()
    os.kill(supervisor, signal.SIGSTOP)
    try:
        os.kill(pid, signal.SIGKILL)
        yield
    finally:
        os.kill(supervisor, signal.SIGCONT)
    eventually(lambda: mesh.pid(process) != pid)


def eventually(true: Callable[[], bool]) -> None:
    """Return once `true()`; fails after a while."""
    ends = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < ends, "it never became true"
        time.sleep(0.1)


def put(client: httpx.Client, policy: str, data: bytes = b"x") -> httpx.Response:
    return client.put("/files/content", params={"filename": "a.txt", "retention_policy": policy}, content=data)


def error(answer: httpx.Response) -> tuple[int, str]:
    body = answer.json().get("error") if answer.status_code >= 400 else None
    return answer.status_code, body["code"] if body else ""


def test_without_an_element_only_its_documents_wait(mesh: Mesh, client: httpx.Client) -> None:
    draft = put(client, "temporary", b"draft").json()["file_id"]
    contract = put(client, "permanent", b"contract").json()["file_id"]
    with away(mesh, "se-edit-01"):
        gone = client.get(f"/files/{draft}/download")
        assert error(gone) == (503, "STORAGE_UNAVAILABLE")
        assert int(gone.headers["retry-after"]) > 0
        assert error(client.delete(f"/files/{draft}")) == (503, "STORAGE_UNAVAILABLE")
        refused = put(client, "temporary")
        assert error(refused) in {(503, "NO_ELEMENT_AVAILABLE"), (503, "STORAGE_UNAVAILABLE")}
        assert "127.0.0.1" not in refused.text
        eventually(lambda: error(put(client, "temporary")) == (503, "NO_ELEMENT_AVAILABLE"))
        assert client.get(f"/files/{draft}").json()["status"] == "active"
        assert client.get(f"/files/{contract}/download").content == b"contract"
        assert error(put(client, "permanent")) == (201, "")
    eventually(lambda: client.get(f"/files/{draft}/download").content == b"draft")
    eventually(lambda: error(put(client, "temporary")) == (201, ""))


def asked_without_a_byte(mesh: Mesh, token: str) -> tuple[int, str, int]:
    """What an upload is answered of which only the head is sent: status, code, and when to ask again."""
    host, port = mesh.info["base_url"].removeprefix("https://").split(":")
    connection = http.client.HTTPSConnection(host, int(port), context=mesh.tls(), timeout=PATIENCE)
    try:
        connection.putrequest("PUT", "/api/v1/files/content?filename=a.txt&retention_policy=permanent")
        connection.putheader("Authorization", f"Bearer {token}")
        connection.putheader("Content-Length", str(1 << 20))
        connection.endheaders()
        answer = connection.getresponse()
        code = json.loads(answer.read())["error"]["code"]
        return answer.status, code, int(answer.headers["retry-after"])
    finally:
        connection.close()


@pytest.mark.timeout(LIMIT + ADMIN_OUTAGE)
def test_without_admin_reading_goes_on_and_uploads_wait(mesh: Mesh, client: httpx.Client) -> None:
    ident, token = put(client, "permanent", b"kept").json()["file_id"], mesh.token()
    with away(mesh, "admin"):
        ends, reading, refusing = time.monotonic() + ADMIN_OUTAGE, list[float](), list[float]()
        while time.monotonic() < ends:
            began = time.monotonic()
            # New connections too: whoever comes now must be believed as well.
            with mesh.client(token) as reader:
                assert reader.get(f"/files/{ident}").status_code == 200
                assert reader.get(f"/files/{ident}/download").content == b"kept"
                assert reader.post("/search", json={"filename": "a.txt"}).json()["total"] > 0
            reading.append(time.monotonic() - began)
            status, code, after = asked_without_a_byte(mesh, token)
            assert (status, code) == (503, "SERVICE_UNAVAILABLE")
            assert after > 0
            refusing.append(time.monotonic() - began - reading[-1])
            time.sleep(0.5)
        said = f"{len(reading)} rounds: three reads took at most {max(reading):.2f} s, a refusal {max(refusing):.2f} s"
        print(said)  # noqa: T201 - shown with -s
        assert max(reading) < SOON
    back = time.monotonic()
    eventually(lambda: error(put(client, "permanent")) == (201, ""))
    print(f"uploads went on after {time.monotonic() - back:.1f} s")  # noqa: T201


@pytest.mark.parametrize("process", ["ingester", "query", "gateway"])
def test_a_killed_process_comes_back(mesh: Mesh, client: httpx.Client, process: str) -> None:
    ident = put(client, "permanent", b"kept").json()["file_id"]
    with away(mesh, process):
        assert error(put(client, "permanent"))[0] in {201, 503}
        assert client.get(f"/files/{ident}/download").status_code in {200, 503}
    eventually(lambda: error(put(client, "permanent")) == (201, ""))
    eventually(lambda: client.get(f"/files/{ident}/download").content == b"kept")


class Load:
    """Clients that put documents in, and look for them, one request after the other, until the block ends."""

    def __init__(self, mesh: Mesh, token: str) -> None:
        self._mesh, self._token = mesh, token
        self._ends = threading.Event()
        self._threads = [threading.Thread(target=self._client, args=(number,)) for number in range(4)]
        self.kept: list[str] = []
        """Documents whose upload was acknowledged."""
        self.answers: list[tuple[int, str, bool]] = []
        """Status, code, and whether it says when to ask again."""

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        for thread in self._threads:
            thread.join(60)

    def _client(self, number: int) -> None:
        with self._mesh.client(self._token) as client:
            while not self._ends.wait(0.02):
                if number % 2:
                    self._note(client.post("/search", json={"filename": "a.txt", "limit": 1}))
                elif (answer := self._note(put(client, "permanent"))).status_code == 201:
                    self.kept.append(answer.json()["file_id"])

    def _note(self, answer: httpx.Response) -> httpx.Response:
        self.answers.append((*error(answer), "retry-after" in answer.headers))
        return answer


@pytest.mark.timeout(LIMIT + OUTAGE)
def test_without_postgresql_all_are_told_to_wait_and_nothing_is_half_done(mesh: Mesh, client: httpx.Client) -> None:
    with Load(mesh, mesh.token()) as load:
        eventually(lambda: len(load.kept) > 5)
        with away(mesh, "postgres"):
            began = len(load.answers)
            time.sleep(OUTAGE)
            during = load.answers[began:]
        back, known = time.monotonic(), len(load.kept)
        eventually(lambda: len(load.kept) > known + 5)
        took = time.monotonic() - back
        assert took < RECOVERY
    print(f"{len(during)} answers in {OUTAGE:.0f} s without PostgreSQL, all well after {took:.1f} s")  # noqa: T201
    assert during
    refused = {answer for answer in during if answer[0] >= 400}
    assert refused <= {(503, "SERVICE_UNAVAILABLE", True)}, refused
    assert {answer[0] for answer in load.answers} <= {200, 201, 503}
    for file_id in load.kept:
        assert client.get(f"/files/{file_id}").json()["status"] == "active"
    assert client.get("/health/ready").json()["status"] == "ok"
    # What was stored and never acknowledged is in the registry too: the disk and the rows say the same.
    ident = client.get("/storage-elements", params={"mode": "rw"}).json()["items"][0]["id"]
    result = client.post(f"/storage-elements/{ident}/sync", params={"wait": 50}).json()["result"]
    assert (result["missing"], result["older"], result["elsewhere"]) == (0, 0, 0)
    assert result["added"] == 0


def test_a_document_whose_ingester_died_before_it_was_registered_is_found(mesh: Mesh, client: httpx.Client) -> None:
    """The element has committed it, nobody has told the registry, and the one who would have is dead."""
    name, data = f"orphan-{secrets.token_hex(4)}.txt", mesh.data_dir("se-rw-01")
    may_end = threading.Event()

    def body() -> Iterator[bytes]:
        yield b"x" * (1 << 20)
        may_end.wait(PATIENCE)
        yield b"y"

    def upload() -> None:
        with suppress(httpx.HTTPError):
            client.put("/files/content", params={"filename": name, "retention_policy": "permanent"}, content=body())

    uploading = threading.Thread(target=upload)
    uploading.start()
    eventually(lambda: any(data.glob("incoming/*/*.part")))
    with away(mesh, "admin"):
        may_end.set()
        eventually(lambda: any(name in each.read_text() for each in data.rglob("files/**/*.attr.json")))
        os.kill(mesh.pid("ingester"), signal.SIGKILL)
        uploading.join(PATIENCE)
    eventually(lambda: client.get("/health/ready").json()["checks"]["admin"]["status"] == "ok")
    ready = time.monotonic()
    eventually(lambda: client.post("/search", json={"filename": name}).json()["total"] == 1)
    assert time.monotonic() - ready < SOON


def test_a_lost_bytes_file_is_gone_not_empty(mesh: Mesh, client: httpx.Client) -> None:
    ident = put(client, "permanent", b"lost").json()["file_id"]
    (attributes,) = mesh.data_dir("se-rw-01").rglob(f"files/**/*{ident}*.attr.json")
    attributes.with_name(json.loads(attributes.read_text())["storage_filename"]).unlink()
    assert error(client.get(f"/files/{ident}/download")) == (410, "FILE_MISSING")


def test_changed_bytes_are_never_served_as_good(mesh: Mesh, client: httpx.Client) -> None:
    data = os.urandom(1 << 20)
    ident = put(client, "permanent", data).json()["file_id"]
    (attributes,) = mesh.data_dir("se-rw-01").rglob(f"files/**/*{ident}*.attr.json")
    path = attributes.with_name(json.loads(attributes.read_text())["storage_filename"])
    with path.open("r+b") as file:
        file.seek(500_000)
        flipped = bytes([data[500_000] ^ 1])
        file.write(flipped)
    try:
        answer = client.get(f"/files/{ident}/download")
    except httpx.RemoteProtocolError:  # the headers were out before the damage was known: the connection is broken
        return
    assert error(answer) == (500, "FILE_DAMAGED")
