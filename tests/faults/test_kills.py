"""A real element is killed at random moments under mixed clients, who ask it by gRPC.

Each restart takes about a second on a busy machine, so the short size is 10 kills; in full there are 2,000.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import httpx
import pytest

from clients.storage import StorageClient
from services.model.errors import ArtStoreError
from services.model.files import FileChange, FileStatus
from services.model.ids import StorageId
from tests.doubles.documents import an_element, new_id
from tests.faults.forking import PATIENCE, element, fork, kill
from tests.faults.history import History
from tests.faults.size import FULL, luck, sized
from tests.faults.working import see
from tests.service.storage.conftest import ANNA, Calls, download, temporary, upload
from tests.support.certificates import Certificates, environment
from tests.support.elements import RunningElement
from tests.support.processes import Running, free_port

KILLS = sized(10, 2000)
CLIENTS = 8
pytestmark = pytest.mark.timeout(0 if FULL else 240)


class Ground:
    """The element's directory, and the ports of the process that serves it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.certificates = folder, Certificates(folder / "tls")
        self.port, self.ops = free_port(), free_port()
        self.settings = {
            **environment("SE_", self.certificates.element("se-1")),
            "SE_PORT": str(self.port),
            "SE_OPS_PORT": str(self.ops),
            "SE_STORAGE_ID": "se-1",
            "SE_DATA_DIR": str(folder / "data"),
            "SE_INIT": "true",
            "SE_MIN_FREE_SPACE": "0",
            "SE_GC_INTERVAL": "1s",
            "SE_GC_GRACE": "0s",
            "SE_LOG_FORMAT": "text",
        }

    @asynccontextmanager
    async def running(self) -> AsyncIterator[StorageClient]:
        """A process that serves it, killed on leaving."""
        self._process = fork(element, self.settings, str(self.folder / "log"))
        address = an_element(StorageId("se-1"), f"127.0.0.1:{self.port}")
        calls = Calls(RunningElement(_NONE, address, self.folder / "data"), self.certificates)
        try:
            await self._ready()
            yield calls.as_("ingester")
        finally:
            self.kill()
            await calls.close()

    def kill(self) -> None:
        """The process is no more; its clients have to notice."""
        kill(self._process)

    async def _ready(self) -> None:
        async with asyncio.timeout(PATIENCE), httpx.AsyncClient(timeout=5) as client:
            while True:
                with contextlib.suppress(httpx.TransportError):
                    if (await client.get(f"http://127.0.0.1:{self.ops}/health/ready")).status_code == 200:
                        return
                await asyncio.sleep(0.02)


_NONE: Running = None  # type: ignore[assignment] # it is ended by `kill`


async def test_what_was_answered_survives_every_kill_and_the_rest_is_whole_or_absent(memory: Path) -> None:
    ground, history = Ground(memory), History()
    answered = 0
    for number in range(KILLS):
        chance = luck("kill", number)
        async with ground.running() as client:
            await check(client, history, chance)
            seeds = [chance.random() for _ in range(CLIENTS)]
            clients = [asyncio.create_task(mixed(client, history, random.Random(seed))) for seed in seeds]  # noqa: S311 - luck
            await asyncio.wait(clients, timeout=chance.uniform(0.1, 0.5))  # the moment is what is random here
            ground.kill()
            results = await asyncio.gather(*clients, return_exceptions=True)
        for each in results:
            assert isinstance(each, ArtStoreError | grpc.RpcError), each
        answered += sum(story.answered for story in history.stories.values())
    async with ground.running() as client:
        await check(client, history, None)
    assert answered > KILLS, "there was something to lose"


async def mixed(client: StorageClient, history: History, chance: random.Random) -> None:
    """Make files, change them, delete them, read them, until the element is gone."""
    while True:
        data = chance.randbytes(chance.choice([0, 100, 5000, 300_000]))
        new, sha256 = temporary(file_id=new_id()), hashlib.sha256(data).hexdigest()
        assert new.file_id is not None
        history.asked(new.file_id, sha256, FileStatus.ACTIVE, "")
        await upload(client, data, new)
        history.answered(new.file_id)
        for _ in range(chance.randrange(3)):
            word = f"word {chance.random()}"
            history.asked(new.file_id, sha256, FileStatus.ACTIVE, word)
            await client.update(new.file_id, FileChange(description=word), on_behalf_of=ANNA)
            history.answered(new.file_id)
        assert await download(client, new.file_id) == data
        if chance.random() < 0.4:
            history.asked(new.file_id, sha256, FileStatus.DELETED, history.stories[new.file_id].tried[-1][1])
            await client.delete(new.file_id, on_behalf_of=ANNA)
            history.answered(new.file_id)


async def check(client: StorageClient, history: History, chance: random.Random | None) -> None:
    """All files that were under way, and some of the others (None: all); the bytes of each."""
    for file_id, story in list(history.stories.items()):
        if chance and story.answered == len(story.tried) and chance.random() < 0.7:
            continue
        seen = await see(lambda: client.file(file_id, on_behalf_of=ANNA))  # noqa: B023 - awaited at once
        history.settle(file_id, seen)
        if not isinstance(seen, str) and seen.status is FileStatus.ACTIVE:
            assert hashlib.sha256(await download(client, file_id)).hexdigest() == seen.sha256
