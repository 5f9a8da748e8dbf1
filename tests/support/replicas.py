"""Several processes that serve one element."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from clients.storage import StorageClient, StoragePool
from services.chassis.caller import Identity
from services.model.elements import ElementInfo, Role
from services.model.errors import ArtStoreError
from services.model.ids import Subject
from tests.support.certificates import Certificates
from tests.support.elements import RunningElement

OPERATOR = Identity(Subject("operator"), frozenset({"files:read", "files:write", "storage:read", "storage:write"}))
PATIENCE = 20.0
QUICK = {"BEAT_INTERVAL": "200ms", "BEAT_LOSS": "1s", "BEAT_SILENCE": "1500ms"}
"""An element whose processes lose patience within two seconds, for tests."""


class Replicas:
    """The processes of one element, each on a port of its own, on one directory."""

    def __init__(self, folder: Path, certificates: Certificates, storage_id: str, mode: str, settings: dict[str, str]):
        self.folder, self.certificates, self.storage_id, self.mode = folder, certificates, storage_id, mode
        self.settings = settings
        self.processes: dict[str, RunningElement] = {}
        self._pools: dict[str, StoragePool] = {}

    async def start(self, name: str, **settings: str) -> RunningElement:
        """Start a process, or one that has ended once more (on another port)."""
        self.processes[name] = await RunningElement.start(
            self.folder, self.certificates, self.storage_id, self.mode, name=f"{self.storage_id}-{name}",
            REPLICA_MODE="replicated", INDEX_DIR=str(self.folder / f"{self.storage_id}-{name}.index"),
            **{**self.settings, **settings},
        )  # fmt: skip
        return self.processes[name]

    async def started(self, *names: str) -> Replicas:
        for name in names:
            await self.start(name)
        return self

    def client(self, name: str, module: str) -> StorageClient:
        """To one process, with the certificate of that module."""
        pool = self._pools.setdefault(module, StoragePool(self.certificates.module(module)))
        return pool.client(self.processes[name].address)

    async def info(self, name: str) -> ElementInfo:
        return await self.client(name, "admin").info(on_behalf_of=OPERATOR, seconds=2)

    async def leader(self) -> str:
        """The name of the process that says it leads. Waits until one does."""
        async with asyncio.timeout(PATIENCE):
            while True:
                for name in self.processes:
                    if await self.leads(name):
                        return name
                await asyncio.sleep(0.02)

    async def leads(self, name: str) -> bool:
        try:
            return (await self.info(name)).role is Role.LEADER
        except ArtStoreError:
            return False

    async def becomes_leader(self, name: str, since: float) -> float:
        """Wait until that process leads; seconds since `since` (monotonic)."""
        async with asyncio.timeout(PATIENCE):
            while not await self.leads(name):  # noqa: ASYNC110 - another process does it without telling
                await asyncio.sleep(0.02)
        return time.monotonic() - since

    async def becomes_follower(self, name: str) -> None:
        async with asyncio.timeout(PATIENCE):
            while await self.leads(name):  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.02)

    def said(self) -> dict[str, object]:
        """What `.leader.info` says."""
        members: dict[str, object] = json.loads((self.folder / self.storage_id / ".leader.info").read_text())
        return members

    async def stop(self) -> None:
        for pool in self._pools.values():
            await pool.__aexit__(None, None, None)
        for process in self.processes.values():
            process.process.send(signal.SIGCONT)
            process.process.stop()


@asynccontextmanager
async def replicas(
    folder: Path, certificates: Certificates, storage_id: str, mode: str = "edit", *names: str, **settings: str
) -> AsyncIterator[Replicas]:
    """An element with a process for each name; the first one leads."""
    made = Replicas(folder, certificates, storage_id, mode, {**QUICK, **settings})
    try:
        yield await made.started(*names)
    finally:
        await made.stop()
