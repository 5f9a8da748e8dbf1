"""What is measured: each case returns its figure and, where there is one, that of the reference."""

from __future__ import annotations

import http.client
import json
import os
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import psutil

from services.chassis.tls import TlsFiles
from tests.bench import chain
from tests.bench.reference import STEP, bare_uvicorn, plain_write
from tests.support.mesh import Mesh

CLIENTS = 32
UPLOADERS = 8
STALLED = 200
SETTLING = 120.0
"""Seconds that it may take until every buffer on the way is full and nothing flows any more."""
SMALL = 4096
TIMEOUT = 600


@dataclass(frozen=True)
class Result:
    """One line of the table."""

    unit: str
    ours: float
    reference: float | None = None
    goal: float | None = None
    """What `ours / reference`, or `ours` alone where there is no reference, should reach."""
    bare: float | None = None
    """The same hops with nothing of ours in them, see `chain`: what the parts can do on this machine."""
    note: str = ""


class Bench:
    """A mesh, a token, and what the cases leave to each other."""

    def __init__(self, mesh: Mesh, size: int, small: int) -> None:
        self.mesh = mesh
        self.token = mesh.token()
        self.size = size
        """Bytes of the large document."""
        self.small = small
        """How many small documents."""
        self.large_id = ""

    def connect(self) -> http.client.HTTPSConnection:
        url = urlsplit(self.mesh.info["base_url"])
        assert url.hostname
        return http.client.HTTPSConnection(url.hostname, url.port, context=self.mesh.tls(), timeout=TIMEOUT)

    def ask(
        self, connection: http.client.HTTPConnection, method: str, path: str, body: Any = None, **headers: str
    ) -> http.client.HTTPResponse:
        connection.request(
            method, f"/api/v1{path}", body=body, headers={"Authorization": f"Bearer {self.token}", **headers}
        )
        return connection.getresponse()

    def put(self, connection: http.client.HTTPConnection, name: str, body: Any, size: int) -> str:
        """Upload; return the file id."""
        query = urlencode({"filename": name, "retention_policy": "permanent"})
        answer = self.ask(connection, "PUT", f"/files/content?{query}", body, **{"Content-Length": str(size)})
        said = answer.read()
        assert answer.status == 201, said
        ident: str = json.loads(said)["file_id"]
        return ident


def upload_large(bench: Bench) -> Result:
    """One large document up, one client; against the same bytes written and fsynced directly, around it."""
    block = os.urandom(STEP)
    folder = bench.mesh.folder
    first = plain_write(folder, bench.size)
    connection = bench.connect()
    started = time.perf_counter()
    bench.large_id = bench.put(connection, "large.bin", _blocks(block, bench.size), bench.size)
    taken = time.perf_counter() - started
    connection.close()
    second = plain_write(folder, bench.size)
    with chain.running(folder, bench.size) as hops:
        bare = hops.up(block)
    megabytes = bench.size / 1e6
    rates = f"reference before and after: {megabytes / first:.0f}, {megabytes / second:.0f}"
    reference = megabytes / statistics.mean((first, second))
    return Result("MB/s", megabytes / taken, reference, goal=0.6, bare=megabytes / bare, note=rates)


def upload_many(bench: Bench) -> Result:
    """As many bytes up by eight clients at once."""
    each = bench.size // UPLOADERS
    block = os.urandom(min(STEP, each))

    def client(number: int) -> None:
        connection = bench.connect()
        bench.put(connection, f"part-{number}.bin", _blocks(block, each), each)
        connection.close()

    before = plain_write(bench.mesh.folder, bench.size)
    started = time.perf_counter()
    with ThreadPoolExecutor(UPLOADERS) as pool:
        list(pool.map(client, range(UPLOADERS)))
    megabytes = bench.size / 1e6
    return Result("MB/s", megabytes / (time.perf_counter() - started), megabytes / before, goal=0.6)


def stalled_readers(bench: Bench) -> Result:
    """200 downloads that are begun and not read: what they hold is in the line of memory, what others feel here."""
    before = _many(bench, lambda c, _: _read(bench.ask(c, "GET", f"/files/{bench.large_id}"), None))
    stalled = [bench.connect() for _ in range(STALLED)]
    path = f"/api/v1/files/{bench.large_id}/download"
    for connection in stalled:
        connection.request("GET", path, headers={"Authorization": f"Bearer {bench.token}"})
    _settle(bench.mesh.pid("gateway"))
    meanwhile = _many(bench, lambda c, _: _read(bench.ask(c, "GET", f"/files/{bench.large_id}"), None))
    for connection in stalled:
        connection.close()
    return Result("1/s", meanwhile.ours, before.ours, note=f"without them {before.note}; with them {meanwhile.note}")


def download_large(bench: Bench) -> Result:
    """The same document down, one client; against a bare uvicorn that streams the same file, as encrypted as we are."""
    (content,) = bench.mesh.data_dir("se-rw-01").rglob(f"files/**/*{bench.large_id}.bin")
    _warm(content)
    folder = bench.mesh.home / "certificates"
    public = TlsFiles(cert=folder / "public.pem", key=folder / "public.key", ca=bench.mesh.home / "ca.pem")
    with bare_uvicorn(content, bench.size) as port:
        plain = _drain_until_up(http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT), bench.size)
    with bare_uvicorn(content, bench.size, public) as port:
        context = bench.mesh.tls()
        encrypted = _drain_until_up(
            http.client.HTTPSConnection("127.0.0.1", port, timeout=TIMEOUT, context=context), bench.size
        )
    connection = bench.connect()
    started = time.perf_counter()
    answer = bench.ask(connection, "GET", f"/files/{bench.large_id}/download")
    _drain(answer, bench.size)
    taken = time.perf_counter() - started
    connection.close()
    with chain.running(bench.mesh.folder, bench.size) as hops:
        hops.up(os.urandom(STEP))
        bare = hops.down()
    megabytes = bench.size / 1e6
    note = f"the reference speaks TLS, as we do; without, {megabytes / plain:.0f}"
    return Result("MB/s", megabytes / taken, megabytes / encrypted, goal=0.4, bare=megabytes / bare, note=note)


def upload_small(bench: Bench) -> Result:
    """Many 4 KiB documents up, 32 clients: each is durable and searchable when it is answered."""
    data = os.urandom(SMALL)
    return _many(bench, lambda c, n: bench.put(c, f"small-{n}.bin", data, SMALL))


def download_small(bench: Bench) -> Result:
    """A 4 KiB document down, again and again, 32 clients."""
    connection = bench.connect()
    ident = bench.put(connection, "again.bin", os.urandom(SMALL), SMALL)
    connection.close()
    return _many(bench, lambda c, _: _read(bench.ask(c, "GET", f"/files/{ident}/download"), SMALL))


def metadata(bench: Bench) -> Result:
    """Metadata of one document, 32 clients."""
    return _many(bench, lambda c, _: _read(bench.ask(c, "GET", f"/files/{bench.large_id}"), None))


CASES: dict[str, Callable[[Bench], Result]] = {
    "upload large": upload_large,
    "upload large x8": upload_many,
    "download large": download_large,
    "upload 4 KiB x32": upload_small,
    "download 4 KiB x32": download_small,
    "metadata GET x32": metadata,
    "200 stalled readers": stalled_readers,
}


def _many(bench: Bench, once: Callable[[http.client.HTTPConnection, int], object]) -> Result:
    each = bench.small // CLIENTS

    def client(number: int) -> list[float]:
        connection = bench.connect()
        taken = []
        for step in range(each):
            started = time.perf_counter()
            once(connection, number * each + step)
            taken.append(time.perf_counter() - started)
        connection.close()
        return taken

    started = time.perf_counter()
    with ThreadPoolExecutor(CLIENTS) as pool:
        times = sorted(t for taken in pool.map(client, range(CLIENTS)) for t in taken)
    total = time.perf_counter() - started
    p50, p99 = times[len(times) // 2] * 1000, times[int(len(times) * 0.99)] * 1000
    return Result("1/s", len(times) / total, note=f"p50 {p50:.0f} ms, p99 {p99:.0f} ms; the client shares the cores")


def _settle(pid: int) -> None:
    """Return when a process has nothing to do."""
    process, ends = psutil.Process(pid), time.monotonic() + SETTLING
    busy = True
    while busy and time.monotonic() < ends:
        before = sum(process.cpu_times()[:2])
        time.sleep(1)
        busy = sum(process.cpu_times()[:2]) - before > 0.1


def _read(answer: http.client.HTTPResponse, size: int | None) -> None:
    body = answer.read()
    assert answer.status == 200, body
    assert size is None or len(body) == size


def _blocks(block: bytes, size: int) -> Iterator[bytes]:
    for _ in range(size // len(block)):
        yield block


def _warm(path: Path) -> None:
    with path.open("rb", buffering=0) as file:
        while file.read(STEP):
            pass


def _drain(answer: http.client.HTTPResponse, size: int) -> None:
    buffer = bytearray(STEP)
    received = 0
    while count := answer.readinto(buffer):
        received += count
    assert (answer.status, received) == (200, size)


def _drain_until_up(connection: http.client.HTTPConnection, size: int) -> float:
    """Seconds of one whole download, once the server listens."""
    ends = time.monotonic() + 20
    while True:
        try:
            connection.connect()
            break
        except ConnectionRefusedError:
            assert time.monotonic() < ends
            time.sleep(0.05)
    started = time.perf_counter()
    connection.request("GET", "/")
    _drain(connection.getresponse(), size)
    taken = time.perf_counter() - started
    connection.close()
    return taken
