"""What the machine itself can do, measured in the same run: a plain write, and a plain HTTP server."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.processes import free_port

STEP = 1 << 20

_SERVER = """
import sys, uvicorn
async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", sys.argv[2].encode())]})
    with open(sys.argv[1], "rb") as file:
        while data := file.read(1 << 19):
            await send({"type": "http.response.body", "body": data, "more_body": True})
    await send({"type": "http.response.body", "body": b""})
uvicorn.run(app, port=int(sys.argv[3]), log_level="error", lifespan="off")
"""


def plain_write(folder: Path, size: int) -> float:
    """Seconds to write `size` fresh random bytes to a new file and fsync it; the file is removed afterwards."""
    path = folder / "reference.bin"
    block = os.urandom(STEP)
    started = time.perf_counter()
    with path.open("wb", buffering=0) as file:
        for _ in range(size // STEP):
            file.write(block)
        os.fdatasync(file.fileno())
    taken = time.perf_counter() - started
    path.unlink()
    return taken


@contextmanager
def bare_uvicorn(file: Path, size: int) -> Iterator[int]:
    """The port of a uvicorn that streams `file` without TLS, gRPC or anything else of ours."""
    port = free_port()
    process = subprocess.Popen([sys.executable, "-c", _SERVER, str(file), str(size), str(port)])
    try:
        yield port
    finally:
        process.terminate()
        process.wait()
