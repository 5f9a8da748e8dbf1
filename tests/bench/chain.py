"""The hops of a document with nothing of ours in them: what the parts themselves can do on this machine.

Envoy (TLS) → uvicorn (TLS) → gRPC (mutual TLS) → gRPC (mutual TLS) → a file. Chunks of 1 MiB, passed on as they come;
the last hop hashes them beside writing, and syncs the file at the end. No registry, no tokens, no limits, no errors.

    python -m tests.bench.chain [--size MIB] [--rounds N]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import http.client
import json
import os
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import psutil
import uvloop

from services.chassis import memory
from services.chassis.channel import SHARED_OPTIONS, element_server_name, open_channel, server_name_of
from services.chassis.http import HttpServer
from services.chassis.tls import TlsFiles
from services.standalone import software
from tests.support.certificates import Certificates
from tests.support.processes import free_port

STEP = 1 << 20
BUFFERED = 2 * STEP
UP, DOWN = "/chain.Chain/Up", "/chain.Chain/Down"
ROLES = ("element", "relay", "edge")
ELEMENT = "se-chain"
TIMEOUT = 600
ENVOY = ("--concurrency", "2", "--disable-hot-restart", "--log-level", "error")

Chunks = AsyncIterator[bytes]


class Element:
    """The last hop: a file that is hashed, written and synced, or read."""

    def __init__(self, file: Path) -> None:
        self._file = file

    async def up(self, chunks: Chunks, _context: Any) -> bytes:
        """Write what comes, a step behind what is received."""
        digest = hashlib.sha256()
        with self._file.open("wb", buffering=0) as file:

            def write(chunk: bytes) -> None:
                digest.update(chunk)
                file.write(chunk)

            writing: asyncio.Future[None] | None = None
            async for chunk in chunks:
                if writing is not None:
                    await writing
                writing = asyncio.ensure_future(asyncio.to_thread(write, chunk))
            if writing is not None:
                await writing
            await asyncio.to_thread(os.fsync, file.fileno())
        return digest.digest()

    async def down(self, _request: bytes, _context: Any) -> Chunks:
        """Read it, and hash it."""
        digest = hashlib.sha256()
        with self._file.open("rb", buffering=0) as file:

            def read() -> bytes:
                chunk = file.read(STEP)
                digest.update(chunk)
                return chunk

            while chunk := await asyncio.to_thread(read):
                yield chunk


class Relay:
    """A hop that passes on what it gets."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._up: Any = channel.stream_unary(UP)
        self._down: Any = channel.unary_stream(DOWN)

    async def up(self, chunks: Chunks, _context: Any) -> bytes:
        """Towards the file."""
        call = self._up(timeout=TIMEOUT)
        async for chunk in chunks:
            await call.write(chunk)
        await call.done_writing()
        answer: bytes = await call
        return answer

    async def down(self, request: bytes, _context: Any) -> Chunks:
        """From it."""
        async for chunk in self._down(request, timeout=TIMEOUT):
            yield chunk


class Edge:
    """An ASGI application: PUT up, GET down."""

    def __init__(self, relay: Relay, size: int) -> None:
        self._relay, self._size = relay, size

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """One request."""
        headers = [(b"content-length", str(self._size).encode())]
        if scope["method"] == "PUT":
            digest = await self._relay.up(_body(receive), None)
            headers = [(b"content-length", str(len(digest)).encode())]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": digest})
            return
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        async for chunk in self._relay.down(b"", None):
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


async def _body(receive: Any) -> Chunks:
    gathered, more = bytearray(), True
    while more:
        message = await receive()
        more = message.get("more_body", False)
        gathered += message.get("body", b"")
        if len(gathered) >= STEP or not more:
            yield bytes(gathered)
            gathered.clear()


async def serve(role: str, port: int, upstream: int, tls: TlsFiles, file: Path, size: int) -> None:
    """One hop, until it is ended."""
    if role == "edge":
        channel = open_channel(f"127.0.0.1:{upstream}", server_name=server_name_of("ingester"), tls=tls)
        app = Edge(Relay(channel), size)
        server = HttpServer(app, host="127.0.0.1", port=port, tls=tls.http_server_context())
        await server.start()
    else:
        name = element_server_name(ELEMENT)
        hop = (
            Element(file)
            if role == "element"
            else Relay(open_channel(f"127.0.0.1:{upstream}", server_name=name, tls=tls))
        )
        grpc_server = grpc.aio.server(options=[*SHARED_OPTIONS, ("grpc.so_reuseport", 0)])
        handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
            "Up": grpc.stream_unary_rpc_method_handler(hop.up),
            "Down": grpc.unary_stream_rpc_method_handler(hop.down),
        }
        grpc_server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("chain.Chain", handlers),))
        grpc_server.add_secure_port(f"127.0.0.1:{port}", tls.server_credentials())
        await grpc_server.start()
    await asyncio.Event().wait()


class Chain:
    """All hops, running."""

    def __init__(self, folder: Path, size: int, stack: ExitStack) -> None:
        self._size, self._port = size, free_port()
        self.file = folder / "chain.bin"
        certificates = Certificates(folder / "tls")
        tls = {
            "element": certificates.element(ELEMENT),
            "relay": certificates.module("ingester"),
            "edge": certificates.module("gateway"),
        }
        self.processes: dict[str, psutil.Process] = {}
        upstream = 0
        for role in ROLES:
            port, files = free_port(), tls[role]
            arguments = [role, port, upstream, files.cert, files.key, files.ca, self.file, size]
            line = [sys.executable, "-m", "tests.bench.chain", "--serve", *map(str, arguments)]
            self._start(role, line, stack)
            _listening(port)
            upstream = port
        front = certificates.module("edge")
        configuration = folder / "envoy.json"
        configuration.write_text(json.dumps(_envoy(self._port, upstream, front)))
        self._start("envoy", (software.envoy(), *ENVOY, "-c", configuration), stack)
        _listening(self._port)
        self._context = ssl.create_default_context(cafile=str(front.ca))
        self._context.check_hostname = False

    def _start(self, name: str, line: Any, stack: ExitStack) -> None:
        process = subprocess.Popen(line)
        stack.callback(process.wait)
        stack.callback(process.terminate)
        self.processes[name] = psutil.Process(process.pid)

    def up(self, block: bytes) -> float:
        """Seconds for the document to go in."""
        connection = http.client.HTTPSConnection("127.0.0.1", self._port, context=self._context, timeout=TIMEOUT)
        started = time.perf_counter()
        body = (block for _ in range(self._size // len(block)))
        connection.request("PUT", "/", body=body, headers={"Content-Length": str(self._size)})
        answer = connection.getresponse()
        assert (answer.status, len(answer.read())) == (200, 32)
        connection.close()
        assert self.file.stat().st_size == self._size
        return time.perf_counter() - started

    def down(self) -> float:
        """Seconds for it to come out."""
        connection = http.client.HTTPSConnection("127.0.0.1", self._port, context=self._context, timeout=TIMEOUT)
        started = time.perf_counter()
        connection.request("GET", "/")
        answer, buffer, received = connection.getresponse(), bytearray(STEP), 0
        while count := answer.readinto(buffer):
            received += count
        assert (answer.status, received) == (200, self._size)
        connection.close()
        return time.perf_counter() - started

    def cpu(self) -> dict[str, float]:
        """Seconds of processor time so far, by hop."""
        times = {name: process.cpu_times() for name, process in self.processes.items()}
        return {name: each.user + each.system for name, each in times.items()}


@contextmanager
def running(folder: Path, size: int) -> Iterator[Chain]:
    """All hops, until the block ends."""
    with ExitStack() as stack:
        yield Chain(folder, size, stack)


def _listening(port: int) -> None:
    ends = time.monotonic() + 20
    while True:
        with contextlib.suppress(OSError):
            http.client.HTTPConnection("127.0.0.1", port, timeout=2).connect()
            return
        assert time.monotonic() < ends, "a hop does not listen"
        time.sleep(0.05)


def _envoy(port: int, upstream: int, tls: TlsFiles) -> dict[str, Any]:
    """The least that is a door: TLS in, TLS out, one route, the buffers of `envoy/edge.yaml`."""
    kind = "type.googleapis.com/envoy.extensions"
    certificate = {"certificate_chain": {"filename": str(tls.cert)}, "private_key": {"filename": str(tls.key)}}
    newest = {"tls_minimum_protocol_version": "TLSv1_3", "tls_maximum_protocol_version": "TLSv1_3"}
    common = {"tls_certificates": [certificate], "tls_params": newest}
    route = {"match": {"prefix": "/"}, "route": {"cluster": "edge", "timeout": "0s"}}
    manager = {
        "@type": f"{kind}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "chain",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
        "http_filters": [
            {"name": "router", "typed_config": {"@type": f"{kind}.filters.http.router.v3.Router"}},
        ],
    }
    listener = {
        "name": "door",
        "address": _address(port),
        "per_connection_buffer_limit_bytes": STEP,
        "filter_chains": [
            {
                "transport_socket": _tls("Downstream", {"common_tls_context": common}),
                "filters": [{"name": "http", "typed_config": manager}],
            }
        ],
    }
    cluster = {
        "name": "edge",
        "type": "STATIC",
        "per_connection_buffer_limit_bytes": STEP,
        "load_assignment": {
            "cluster_name": "edge",
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _address(upstream)}}]}],
        },
        "transport_socket": _tls(
            "Upstream",
            {
                "sni": server_name_of("gateway"),
                "common_tls_context": {**common, "validation_context": {"trusted_ca": {"filename": str(tls.ca)}}},
            },
        ),
    }
    return {"static_resources": {"listeners": [listener], "clusters": [cluster]}}


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _tls(direction: str, context: dict[str, Any]) -> dict[str, Any]:
    kind = f"type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.{direction}TlsContext"
    return {"name": "envoy.transport_sockets.tls", "typed_config": {"@type": kind, **context}}


def main() -> None:
    """Measure, or be one hop."""
    if sys.argv[1:2] == ["--serve"]:
        role, port, upstream, cert, key, ca, file, size = sys.argv[2:]
        memory.keep()
        tls = TlsFiles(cert=Path(cert), key=Path(key), ca=Path(ca))
        uvloop.run(serve(role, int(port), int(upstream), tls, Path(file), int(size)))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=1024, metavar="MIB", help="the document (1024)")
    parser.add_argument("--rounds", type=int, default=2, help="how often it goes in and out (2)")
    options = parser.parse_args()
    size, block = options.size << 20, os.urandom(STEP)
    with tempfile.TemporaryDirectory() as folder, running(Path(folder), size) as chain:
        for _ in range(options.rounds):
            for name, work in (("up", partial(chain.up, block)), ("down", chain.down)):
                before = chain.cpu()
                taken = work()
                used = {hop: seconds - before[hop] for hop, seconds in chain.cpu().items()}
                shown = ", ".join(f"{hop} {seconds:.1f}" for hop, seconds in used.items())
                print(f"{name:4} {size / taken / 1e6:5.0f} MB/s; CPU s: {shown}", flush=True)


if __name__ == "__main__":
    main()
