"""How fast the registry is rebuilt from an element, and how fast a sync that finds nothing goes over it.

    python -m tests.bench.sync [--files N]

Against two references of the same run: the listing of the element, asked page by page and thrown away; and the same
rows, copied into a database of the same schema by somebody who does nothing else. The three processes and PostgreSQL
share the machine's cores, so CPU seconds say more than the clock. It never fails on time.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path

import psutil

from clients.storage import StoragePool
from services.admin.domain.registry import Entry
from services.admin.rpc.element_peer import PAGE
from services.admin.store.database import open_database
from services.admin.store.elements import PostgresElements
from services.admin.store.migrations import migrate_to, migrating, migrations
from services.admin.store.registry import PostgresRegistry
from services.admin.usecases.take_page import AT_ONCE
from services.chassis.caller import Identity
from services.model.elements import ElementInfo
from services.model.files import FileAttributes
from services.model.ids import Subject
from services.model.operations import OperationState
from services.model.paging import PageRequest
from services.storage.domain.documents import Document, encode
from services.storage.store.layout import Layout
from tests.service.admin.ground import Admin
from tests.support.admin_things import file, record
from tests.support.certificates import Certificates
from tests.support.elements import RunningElement
from tests.support.postgres import Database, running_postgres
from tests.support.processes import READY_TIMEOUT

CONTENT = b"x"
DIGEST = hashlib.sha256(CONTENT).hexdigest()
"""The right one: else the element finds damage while it is measured, and tells of it."""
SOMEBODY = Identity(Subject("bench"), frozenset({"storage:read"}))


class Cpu:
    """Processor seconds that a process and its children have used, and the most memory that it had."""

    def __init__(self, pid: int) -> None:
        self._process, self._pid = psutil.Process(pid), pid

    def seconds(self) -> float:
        return sum(sum(each.cpu_times()[:2]) for each in (self._process, *self._process.children(recursive=True)))

    def peak(self) -> float:
        """Resident bytes of the process itself at their highest, in MiB."""
        status = Path(f"/proc/{self._pid}/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 1024


def fill(data: Path, count: int) -> None:
    """Put so many documents of one byte into an element that does not run, as it would have them."""
    layout, folder = Layout(data), data
    for number in range(count):
        one = file(size=len(CONTENT), original_filename=f"Договор №{number}.pdf", sha256=DIGEST)
        document = Document(one, f"{number}_{one.file_id}.pdf")
        if layout.folder(one.file_id) != folder:
            folder = layout.folder(one.file_id)
            folder.mkdir(parents=True, exist_ok=True)
        (folder / document.storage_filename).write_bytes(CONTENT)
        (folder / f"{document.storage_filename}.attr.json").write_bytes(encode(document))


async def measured(options: argparse.Namespace, folder: Path, stack: AsyncExitStack) -> None:
    server = stack.enter_context(running_postgres({"fsync": "on", "shared_buffers": "256MB"}))
    admin = Admin(folder, await server.create_database(), Certificates(folder / "tls"))
    await admin.migrate()
    element = await RunningElement.start(folder, admin.certificates, "se-rw-01", "rw")
    element.process.stop()
    began = time.perf_counter()
    fill(element.data, options.files)
    for index in (element.data.parent).rglob("index.sqlite*"):
        index.unlink()
    print(f"{options.files} files made in {time.perf_counter() - began:.0f} s", flush=True)
    element = await RunningElement.start(
        folder, admin.certificates, "se-rw-01", "rw", port=element.port, patience=_patience(options.files)
    )
    stack.callback(element.process.stop)
    stack.push_async_callback(admin.close)
    await admin.start()
    info = await whole(admin, element, options.files)
    meters = {"element": Cpu(element.process.pid), "admin": Cpu(admin.process.pid), "postgres": Cpu(server.pid)}
    files = await listing(admin, element, meters)
    await rows_alone(await server.create_database(), info, files, meters)
    del files
    made, _ = await admin.as_("gateway").register_element(element.address.endpoint, on_behalf_of=await admin.user())
    user = await admin.user()
    for name in ("rebuild", "sync again"):
        before, began = {key: meter.seconds() for key, meter in meters.items()}, time.perf_counter()
        operation, _ = await admin.operations().sync_element(made.element_id, on_behalf_of=user)
        while not operation.ended:
            await asyncio.sleep(0.1)
            operation = await admin.operations().get_operation(operation.id, on_behalf_of=user)
        assert operation.state is OperationState.SUCCEEDED, operation
        tell(name, sum(info.files.values()), time.perf_counter() - began, meters, before)
        print("   ", operation.result, flush=True)
    print("peak MiB:", ", ".join(f"{key} {meters[key].peak():.0f}" for key in ("element", "admin")), flush=True)


async def whole(admin: Admin, element: RunningElement, count: int) -> ElementInfo:
    """What the element says once its index knows all files."""
    async with StoragePool(admin.certificates.module("admin")) as pool:
        ends = time.monotonic() + _patience(count)
        while sum((info := await pool.client(element.address).info(on_behalf_of=SOMEBODY)).files.values()) < count:
            assert time.monotonic() < ends, f"the index knows only {info.files}"
            await asyncio.sleep(0.2)
        return info


def _patience(count: int) -> float:
    """Seconds within which an index of so many files is made, on the slowest machine."""
    return max(READY_TIMEOUT, count / 500)


async def rows_alone(
    database: Database, info: ElementInfo, files: list[FileAttributes], meters: dict[str, Cpu]
) -> None:
    """The other reference: what PostgreSQL needs for the rows and their indexes, however they come."""
    async with migrating(database.owner_dsn) as connection:
        await migrate_to(connection, migrations())
    async with open_database(database.owner_dsn, size=AT_ONCE) as opened:
        element, _ = await PostgresElements(opened).register(record("se-rw-01"), name=None)
        registry, room = PostgresRegistry(opened), asyncio.Semaphore(AT_ONCE)

        async def add(some: list[FileAttributes]) -> None:
            async with room:
                await registry.add([Entry(element.element_id, each) for each in some])

        before, began = {key: meter.seconds() for key, meter in meters.items()}, time.perf_counter()
        await asyncio.gather(*(add(files[first : first + PAGE]) for first in range(0, len(files), PAGE)))
        tell("rows alone", len(files), time.perf_counter() - began, meters, before)


async def listing(admin: Admin, element: RunningElement, meters: dict[str, Cpu]) -> list[FileAttributes]:
    """The reference: all pages, one after the other."""
    before, began, count, cursor = {key: meter.seconds() for key, meter in meters.items()}, time.perf_counter(), 0, ""
    files: list[FileAttributes] = []
    ours = Cpu(psutil.Process().pid)
    client = ours.seconds()
    async with StoragePool(admin.certificates.module("admin")) as pool:
        while True:
            page = await pool.client(element.address).all_files(PageRequest(PAGE, cursor=cursor), on_behalf_of=SOMEBODY)
            count += len(page.items)
            files += page.items
            cursor = page.next_cursor
            if not page.has_more:
                break
    tell("listing alone", count, time.perf_counter() - began, meters, before)
    print(f"    client {(ours.seconds() - client) / count * 1e6:.0f} us a file")
    return files


def tell(name: str, count: int, seconds: float, meters: dict[str, Cpu], before: dict[str, float]) -> None:
    used = {key: (meter.seconds() - before[key]) / count * 1e6 for key, meter in meters.items()}
    parts = ", ".join(f"{key} {each:.0f}" for key, each in used.items())
    print(f"{name:14} {count / seconds:8.0f} files/s ({count} in {seconds:.1f} s); CPU us a file: {parts}, "
          f"together {sum(used.values()):.0f}", flush=True)  # fmt: skip


async def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=200_000, metavar="N", help="documents on the element (200000)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="artstore-sync-") as name:
        async with AsyncExitStack() as stack:
            await measured(options, Path(name), stack)


if __name__ == "__main__":
    asyncio.run(main())
