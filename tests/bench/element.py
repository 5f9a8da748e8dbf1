"""Speed and memory of one storage element alone, over mutual TLS, against references of the same run.

    python -m tests.bench.element [--size MIB] [--rounds N] [--small N] [--clients N] [--only WORD] [--folder FOLDER]

Prints what it sees. It never fails on time: machines differ, ratios count. Every file is a fresh one, and the client
shares the machine's cores with the element.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median
from typing import TypeVar

import grpc
import psutil
import uvloop
from artstore.storage.v1 import storage_pb2, storage_pb2_grpc

from clients import metadata, wire
from clients.frames import MAX_CHUNK, decode_chunk, encode_chunk
from clients.storage import StorageClient
from services.chassis.caller import Identity
from services.chassis.channel import element_server_name, open_channel
from services.model.files import FileAttributes, NewFile, RetentionPolicy, UploadCommit
from services.model.ids import FileId, Subject
from tests.bench.reference import plain_write
from tests.doubles.documents import new_id
from tests.support.certificates import Certificates, environment
from tests.support.processes import Running, free_port

MIB = 1 << 20
SMALL = 4096
SOMEBODY = Identity(Subject("bench"), frozenset({"files:read", "files:write"}))
FRAME = encode_chunk(os.urandom(MAX_CHUNK))


Result = TypeVar("Result")


class Served:
    """A process, a client to it, and what it used."""

    def __init__(self, process: Running, channel: grpc.aio.Channel) -> None:
        self.process, self.client = process, StorageClient(channel)
        self._alone = storage_pb2_grpc.StorageWriteServiceStub(channel).StoreFile
        self._usage = psutil.Process(process.pid)
        self.peak = 0

    def cpu(self) -> float:
        """Seconds of processor time so far."""
        times = self._usage.cpu_times()
        return float(times.user + times.system)

    async def watch(self) -> None:
        """Follow its memory until cancelled."""
        while True:
            self.peak = max(self.peak, self._usage.memory_info().rss)
            await asyncio.sleep(0.05)

    async def upload(self, size: int, frame: bytes = FRAME, chunk: int = MAX_CHUNK) -> FileAttributes:
        """Upload `size` bytes, a multiple of `chunk`."""

        async def frames() -> AsyncIterator[bytes]:
            for _ in range(size // chunk):
                yield frame

        new = NewFile("bench.bin", RetentionPolicy.TEMPORARY, file_id=new_id(), declared_size=size)
        async with self.client.upload(new, on_behalf_of=SOMEBODY) as sending:
            await sending.send(frames())
            return await sending.commit(UploadCommit(size))

    async def store(self, frame: bytes) -> FileAttributes:
        """Store a small file in one call."""
        new = NewFile("bench.bin", RetentionPolicy.TEMPORARY, file_id=new_id(), declared_size=SMALL)
        return await self.client.store(new, [frame], UploadCommit(SMALL), on_behalf_of=SOMEBODY)

    async def store_alone(self, frame: bytes) -> None:
        """The same in a call that no other file shares."""
        new = NewFile("bench.bin", RetentionPolicy.TEMPORARY, file_id=new_id(), declared_size=SMALL)
        request = storage_pb2.StoreFileRequest(
            header=wire.new_file_to_proto(new),
            chunk=decode_chunk(frame).tobytes(),
            commit=wire.commit_to_proto(UploadCommit(SMALL)),
        )
        response = await self._alone(request, timeout=60, metadata=metadata.on_behalf_of(SOMEBODY))
        wire.file_from_proto(response.file)

    async def download(self, file_id: FileId) -> None:
        """Download a file and drop it."""
        async with self.client.download(file_id, None, on_behalf_of=SOMEBODY) as receiving:
            async for _ in receiving.frames():
                pass


async def main() -> None:
    """Run the cases."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=1024, metavar="MIB", help="the large file (1024)")
    parser.add_argument("--rounds", type=int, default=3, help="how often it goes in and out (3)")
    parser.add_argument("--small", type=int, default=3200, help="files of 4 KiB (3200)")
    parser.add_argument("--clients", type=int, default=32, help="that upload them at once (32)")
    parser.add_argument("--only", default="", metavar="WORD", help="small cases with this word in their name")
    parser.add_argument("--folder", type=Path, help="where the data lie (default: a temporary folder)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        async with AsyncExitStack() as stack:
            element = await start("services.storage", Path(name), stack)
            nowhere = await start("tests.bench.nowhere", Path(name), stack)
            if options.rounds:
                await large(element, nowhere, Path(name), options.size * MIB, options.rounds)
            frame = encode_chunk(os.urandom(SMALL))
            cases: dict[str, tuple[Served, Callable[[], Awaitable[object]]]] = {
                "streamed to nowhere": (nowhere, lambda: nowhere.upload(SMALL, frame, SMALL)),
                "streamed, durable": (element, lambda: element.upload(SMALL, frame, SMALL)),
                "StoreFile to nowhere, a call each": (nowhere, lambda: nowhere.store_alone(frame)),
                "StoreFile, durable, a call each": (element, lambda: element.store_alone(frame)),
                "StoreFile, durable, calls shared": (element, lambda: element.store(frame)),
            }
            for case, (served, work) in cases.items():
                if options.only in case:
                    await small(case, served, work, options.small, options.clients)
            print(f"element's peak RSS {element.peak / MIB:.0f} MiB")


async def start(module: str, folder: Path, stack: AsyncExitStack) -> Served:
    """Start a process that serves as an element, and connect to it."""
    certificates = Certificates(folder / "tls")
    port, ops = free_port(), free_port()
    settings = {
        **environment("SE_", certificates.element("se-bench")),
        "SE_PORT": str(port),
        "SE_OPS_PORT": str(ops),
        "SE_STORAGE_ID": "se-bench",
        "SE_DATA_DIR": str(folder / module),
        "SE_INIT": "true",
        "SE_MAX_FILE_SIZE": "64GiB",
    }
    process = Running.start(module, settings, ops_port=ops, log=folder / f"{module}.log")
    stack.callback(process.stop)
    await process.ready()
    tls = certificates.module("ingester")
    channel = open_channel(f"127.0.0.1:{port}", server_name=element_server_name("se-bench"), tls=tls)
    stack.push_async_callback(channel.close)
    served = Served(process, channel)
    watching = asyncio.create_task(served.watch())
    stack.callback(watching.cancel)
    return served


async def large(element: Served, nowhere: Served, folder: Path, size: int, rounds: int) -> None:
    """One large file at a time, in and out."""
    ratios = []
    for _ in range(rounds):
        written = await asyncio.to_thread(plain_write, folder, size)
        dropped, _, _ = await timed(nowhere, nowhere.upload(size))
        stored, up, file = await timed(element, element.upload(size))
        fetched, down, _ = await timed(element, element.download(file.file_id))
        ratios.append((written / stored, max(written, dropped) / stored))
        speeds = {
            "write+fsync": written, "gRPC to nowhere": dropped, f"upload ({up:.1f} s cpu)": stored,
            f"download ({down:.1f} s cpu)": fetched,
        }  # fmt: skip
        shown = ", ".join(f"{name} {size / seconds / 1e6:.0f}" for name, seconds in speeds.items())
        print(f"{size // MIB} MiB, MB/s: {shown}", flush=True)
    plain, slower = (median(column) for column in zip(*ratios, strict=True))
    print(f"upload against write+fsync {plain:.2f}; against the slower of both references {slower:.2f}", flush=True)


async def timed(served: Served, work: Awaitable[Result]) -> tuple[float, float, Result]:
    """Seconds, the server's processor seconds, and the result."""
    cpu, started = served.cpu(), time.perf_counter()
    result = await work
    return time.perf_counter() - started, served.cpu() - cpu, result


async def small(name: str, served: Served, work: Callable[[], Awaitable[object]], count: int, clients: int) -> None:
    """Many small files at once, each durable when it is answered."""
    left, times = iter(range(count)), list[float]()

    async def client() -> None:
        for _ in left:
            started = time.perf_counter()
            await work()
            times.append(time.perf_counter() - started)

    cpu, own, started = served.cpu(), time.process_time(), time.perf_counter()
    await asyncio.gather(*(client() for _ in range(clients)))
    took, used, own = time.perf_counter() - started, served.cpu() - cpu, time.process_time() - own
    times.sort()
    print(
        f"4 KiB x {clients} clients {name}: {count / took:.0f}/s, p50 {times[count // 2] * 1e3:.0f} ms, "
        f"p99 {times[count * 99 // 100] * 1e3:.0f} ms, cpu {used / count * 1e3:.2f} ms each, "
        f"the client's {own / count * 1e3:.2f} ms",
        flush=True,
    )


if __name__ == "__main__":
    uvloop.run(main())
