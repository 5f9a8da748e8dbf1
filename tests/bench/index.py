"""An element with many files: how fast it starts, how fast its index is made anew, how much memory that takes.

    python -m tests.bench.index [--files N] [--folders N] [--in FOLDER] [--keep]

Makes the files itself (attributes as the element writes them; the content is empty), on the disk of FOLDER, and removes
them. The reference is a bare loop that reads the same attribute files, in a process of its own. Wall time and processor
seconds are told both: others may share the machine. It never fails on time.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import uvloop

from clients.storage import StorageClient
from services.chassis.caller import Identity
from services.chassis.channel import element_server_name, open_channel
from services.model.files import FileAttributes, FileStatus, RetentionPolicy
from services.model.ids import FileId, Subject
from services.model.paging import PageRequest
from services.storage.domain.documents import Document, encode
from services.storage.domain.names import attributes_filename, folder_of, storage_filename
from services.storage.store.cursors import Position, write_cursor
from tests.support.certificates import Certificates, environment
from tests.support.processes import Running, free_port

MIB = 1 << 20
PATIENCE = 3600.0
SOMEBODY = Identity(Subject("bench"), frozenset({"files:read", "storage:read"}))
BEGIN = datetime(2024, 1, 1, tzinfo=UTC)
PLAIN = FileAttributes(
    file_id=FileId(""),
    original_filename="Договор поставки №12345 от 21.11.2026.pdf",
    content_type="application/pdf",
    size=0,
    sha256=hashlib.sha256().hexdigest(),
    uploaded_by=Subject("sa_scanner_x1"),
    uploaded_at=BEGIN,
    updated_at=BEGIN,
    retention_policy=RetentionPolicy.TEMPORARY,
    description="Скан, второй этаж, сканер 3",
    tags=("договор", "2026", "скан"),
    metadata={"counterparty": "ООО «Ромашка»", "number": "12345", "pages": 14},
    ttl=timedelta(days=365),
    expires_at=BEGIN + timedelta(days=36500),
    epoch=1,
)
STATUSES = [FileStatus.ACTIVE] * 17 + [FileStatus.DELETED] * 2 + [FileStatus.DAMAGED]

BARE_LOOP = """
import os, sys
def walk(folder):
    with os.scandir(folder) as entries:
        for each in entries:
            if each.is_dir(follow_symlinks=False):
                yield from walk(each.path)
            elif each.name.endswith(".attr.json"):
                yield each.path
files = size = 0
for path in walk(sys.argv[1]):
    descriptor = os.open(path, os.O_RDONLY)
    size += len(os.read(descriptor, 65536))
    os.close(descriptor)
    files += 1
print(files, size)
"""


def main() -> None:
    """Run everything."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=100_000, help="how many (100000)")
    parser.add_argument("--folders", type=int, default=1000, help="in how many folders of an hour (1000)")
    parser.add_argument("--in", dest="where", type=Path, help="on which disk (default: a temporary folder)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.where, ignore_cleanup_errors=True) as name:
        uvloop.run(Bench(Path(name), options.files, options.folders)())


@dataclass(frozen=True)
class Spent:
    """What something took."""

    wall: float
    cpu: float
    """Seconds."""

    def rates(self, files: int) -> str:
        return f"{files / self.wall:,.0f}/s ({self.cpu / files * 1e6:.0f} us of processor time each)"


class Bench:
    """One element, stopped and started again and again."""

    def __init__(self, folder: Path, files: int, folders: int) -> None:
        self.folder, self.files, self.folders = folder, files, folders
        self.data, self.index = folder / "data", folder / "data.index"
        self.certificates = Certificates(folder / "tls")
        self.peak = 0

    async def __call__(self) -> None:
        empty, _ = await self.started()
        self.fill()
        self.bare_loop()
        bare = self.bare_loop()  # from the page cache, as it is for the element
        print(f"bare loop: {bare.rates(self.files)}", flush=True)
        shutil.rmtree(self.index)
        (rebuilt, base), peak = await self.started(), self.peak
        made = Spent(rebuilt.wall - empty.wall, rebuilt.cpu - empty.cpu)
        print(f"index made anew: {made.rates(self.files)}; peak RSS {peak / MIB:.0f} MiB (empty: {base / MIB:.0f})")
        print(f"  against the bare loop: {bare.wall / made.wall:.2f}; by processor time {bare.cpu / made.cpu:.2f}")
        for after in ("a clean stop", "a kill"):
            started, _ = await self.started(kill=after == "a clean stop")
            print(
                f"start with a valid index after {after}: {started.wall:.2f} s, {started.cpu:.2f} s of processor time"
                f" (an empty element: {empty.wall:.2f} s, {empty.cpu:.2f} s); RSS {self.peak / MIB:.0f} MiB"
            )
        await self.listed()

    def fill(self) -> None:
        """Make the files."""
        luck = random.Random(1)  # noqa: S311 - no secret
        started = time.perf_counter()
        for hour in range(self.folders):
            at = BEGIN + timedelta(hours=hour)
            folder = None
            share = self.files // self.folders + (hour < self.files % self.folders)
            for number in range(share):
                moment = at + timedelta(hours=1) * number / share
                file_id = _id(moment, luck)
                moment = moment.replace(microsecond=moment.microsecond // 1000 * 1000)
                attributes = replace(
                    PLAIN, file_id=file_id, uploaded_at=moment, updated_at=moment, status=luck.choice(STATUSES)
                )
                name = storage_filename(PLAIN.original_filename, user=PLAIN.uploaded_by, at=moment, file_id=file_id)
                if folder is None:
                    folder = self.data / "files" / folder_of(file_id)
                    folder.mkdir(parents=True)
                _write(f"{folder}/{name}", b"")
                _write(f"{folder}/{attributes_filename(name)}", encode(Document(attributes, name)))
        print(f"made {self.files:,} files in {time.perf_counter() - started:.0f} s", flush=True)

    def bare_loop(self) -> Spent:
        before, started = os.times(), time.perf_counter()
        said = subprocess.run(
            [sys.executable, "-c", BARE_LOOP, str(self.data / "files")], check=True, capture_output=True, text=True
        ).stdout
        wall, after = time.perf_counter() - started, os.times()
        assert int(said.split()[0]) == self.files, said
        cpu = after.children_user + after.children_system - before.children_user - before.children_system
        return Spent(wall, cpu)

    async def started(self, *, kill: bool = False) -> tuple[Spent, int]:
        """Start it and wait until it is ready, then stop it: what that took; its memory when it was."""
        process, _ = self._start()
        usage, started = psutil.Process(process.pid), time.perf_counter()
        watching = asyncio.create_task(self._watch(usage))
        try:
            await process.ready(PATIENCE)
            times = usage.cpu_times()
            spent, rss = Spent(time.perf_counter() - started, times.user + times.system), usage.memory_info().rss
        finally:
            watching.cancel()
            if kill:
                process.kill()
            else:
                process.stop()
        return spent, rss

    async def listed(self) -> None:
        """Pages at different depths."""
        process, port = self._start()
        try:
            await process.ready(PATIENCE)
            async with AsyncExitStack() as stack:
                tls = self.certificates.module("admin")
                channel = open_channel(f"127.0.0.1:{port}", server_name=element_server_name("se-bench"), tls=tls)
                stack.push_async_callback(channel.close)
                client = StorageClient(channel)
                for status in (None, FileStatus.DELETED):
                    for depth in (0.0, 0.5, 0.99):
                        await self._page(client, process.pid, status, depth)
        finally:
            process.stop()

    async def _page(self, client: StorageClient, pid: int, status: FileStatus | None, depth: float) -> None:
        at = BEGIN + timedelta(hours=self.folders) * depth
        cursor = write_cursor(Position(int(at.timestamp() * 1000), _id(at, random.Random(2))))  # noqa: S311
        usage, times, calls = psutil.Process(pid), [], 20
        before = usage.cpu_times()
        for _ in range(calls):
            started = time.perf_counter()
            page = await client.files(status, PageRequest(limit=100, cursor=cursor), on_behalf_of=SOMEBODY)
            times.append(time.perf_counter() - started)
            assert page.items
        after = usage.cpu_times()
        cpu = (after.user + after.system - before.user - before.system) / calls
        shown = status or "any"
        print(f"page of 100, status {shown}, at {depth:.0%}: {min(times) * 1e3:.1f} ms, {cpu * 1e3:.1f} ms processor")

    def _start(self) -> tuple[Running, int]:
        port, ops = free_port(), free_port()
        settings = {
            **environment("SE_", self.certificates.element("se-bench")),
            "SE_PORT": str(port),
            "SE_OPS_PORT": str(ops),
            "SE_STORAGE_ID": "se-bench",
            "SE_DATA_DIR": str(self.data),
            "SE_INIT": "true",
            "SE_LOG_FORMAT": "text",
        }
        self.peak = 0
        return Running.start("services.storage", settings, ops_port=ops, log=self.folder / "element.log"), port

    async def _watch(self, usage: psutil.Process) -> None:
        while True:
            self.peak = max(self.peak, usage.memory_info().rss)
            await asyncio.sleep(0.05)


def _id(moment: datetime, luck: random.Random) -> FileId:
    """A UUIDv7 of that moment."""
    milliseconds = int(moment.timestamp() * 1000)
    number = milliseconds << 80 | 7 << 76 | luck.getrandbits(12) << 64 | 2 << 62 | luck.getrandbits(62)
    return FileId(str(uuid.UUID(int=number)))


def _write(path: str, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640)
    if data:
        os.write(descriptor, data)
    os.close(descriptor)


if __name__ == "__main__":
    main()
