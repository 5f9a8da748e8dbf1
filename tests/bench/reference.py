"""What the machine itself can do, measured in the same run: a plain write, and a plain HTTP server."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from services.chassis.tls import TlsFiles
from tests.support.processes import free_port

STEP = 1 << 20

_SERVER = """
import sys, uvicorn
path, size, port, *tls = sys.argv[1:]
async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", size.encode())]})
    with open(path, "rb") as file:
        while data := file.read(1 << 19):
            await send({"type": "http.response.body", "body": data, "more_body": True})
    await send({"type": "http.response.body", "body": b""})
files = {"ssl_certfile": tls[0], "ssl_keyfile": tls[1]} if tls else {}
uvicorn.run(app, port=int(port), log_level="error", lifespan="off", **files)
"""


def plain_write(folder: Path, size: int) -> float:
    """Seconds to write `size` random bytes to a new file and fsync it.

    The file stays until the run ends: a disk takes blocks that were just freed several times faster than fresh ones.
    """
    path = folder / f"reference-{time.monotonic_ns()}.bin"
    block = os.urandom(STEP)
    started = time.perf_counter()
    with path.open("wb", buffering=0) as file:
        for _ in range(size // STEP):
            file.write(block)
        os.fsync(file.fileno())
    return time.perf_counter() - started


@contextmanager
def bare_uvicorn(file: Path, size: int, tls: TlsFiles | None = None) -> Iterator[int]:
    """The port of a uvicorn that streams `file` with nothing of ours, encrypted where `tls` is given."""
    port = free_port()
    certificate = [str(tls.cert), str(tls.key)] if tls else []
    process = subprocess.Popen([sys.executable, "-c", _SERVER, str(file), str(size), str(port), *certificate])
    try:
        yield port
    finally:
        process.terminate()
        process.wait()
