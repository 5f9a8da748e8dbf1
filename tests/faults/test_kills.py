"""A real element is killed at random moments under mixed clients, who ask it by gRPC.

50 kills, 2,000 in full. Nobody asks again: a call that was under way ends with the process.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import random
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import grpc
import httpx
import pytest
import stamina

from clients.frames import encode_chunk
from clients.storage import StorageClient
from services.model.errors import ArtStoreError
from services.model.files import FileChange, FileStatus, NewFile, UploadCommit
from services.model.ids import FileId, StorageId
from tests.doubles.documents import an_element, new_id
from tests.faults.forking import PATIENCE, element, fork, kill, show
from tests.faults.history import History
from tests.faults.size import FULL, luck, sized
from tests.faults.working import see
from tests.service.storage.conftest import ANNA, Calls, chunks, download, temporary, upload
from tests.support.certificates import Certificates, environment
from tests.support.elements import RunningElement
from tests.support.processes import Running, free_port

KILLS = sized(50, 2000)
KILLS_OF_AN_ELEMENT = 50
"""Then another one is made: what was ever answered is read again and again."""
CLIENTS = 8
pytestmark = pytest.mark.timeout(0 if FULL else 400)


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
        except BaseException:
            show(self._process, self.folder / "log")
            raise
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
    answered = 0
    for first in range(0, KILLS, KILLS_OF_AN_ELEMENT):
        folder = memory / str(first)
        answered += await kill_again_and_again(Ground(folder), range(first, min(KILLS, first + KILLS_OF_AN_ELEMENT)))
        shutil.rmtree(folder)
    assert answered > KILLS, "there was something to lose"


async def kill_again_and_again(ground: Ground, numbers: range) -> int:
    """How many changes were answered and not lost."""
    history = History()
    for number in numbers:
        chance = luck("kill", number)
        async with ground.running() as client:
            await check(client, history, chance)
            seeds = [chance.random() for _ in range(CLIENTS)]
            clients = [asyncio.create_task(mixed(client, history, random.Random(seed))) for seed in seeds]  # noqa: S311 - luck
            await asyncio.wait(clients, timeout=chance.uniform(0.05, 0.4))  # the moment is what is random here
            with nobody_asks_again():
                ground.kill()
                results = await asyncio.gather(*clients, return_exceptions=True)
        for each in results:
            assert isinstance(each, ArtStoreError | grpc.RpcError), each
    async with ground.running() as client:
        await check(client, history, None)
    return sum(story.answered for story in history.stories.values())


async def store(client: StorageClient, data: bytes, new: NewFile) -> None:
    """In one call."""
    await client.store(new, [encode_chunk(data)], UploadCommit(len(data)), on_behalf_of=ANNA)


async def by_parts(client: StorageClient, data: bytes, new: NewFile) -> None:
    """By two parts, each of them acknowledged."""
    upload_id = (await client.uploads.create(new, on_behalf_of=ANNA)).upload_id
    half = len(data) // 2
    for start, part in ((0, data[:half]), (half, data[half:])):
        if part:
            reached = await client.uploads.append(upload_id, start, chunks(part), on_behalf_of=ANNA)
            assert reached.offset == start + len(part)
    await client.uploads.complete(upload_id, UploadCommit(len(data)), on_behalf_of=ANNA)


WAYS = (upload, store, by_parts)
"""How a file gets there."""


async def mixed(client: StorageClient, history: History, chance: random.Random) -> None:
    """Make files, change them, delete them, read them, until the element is gone."""
    while True:
        data = chance.randbytes(chance.choice([0, 100, 5000, 300_000]))
        new, sha256 = temporary(file_id=new_id()), hashlib.sha256(data).hexdigest()
        assert new.file_id is not None
        history.asked(new.file_id, sha256, FileStatus.ACTIVE, "")
        await chance.choice(WAYS)(client, data, new)
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


@contextmanager
def nobody_asks_again() -> Iterator[None]:
    """Where a call is repeated for seconds, what was under way would end no other way, and later."""
    stamina.set_active(False)
    try:
        yield
    finally:
        stamina.set_active(True)


async def check(client: StorageClient, history: History, chance: random.Random | None) -> None:
    """All files that were under way, and some of the others (None: all); the bytes of each."""
    under_way = [key for key, story in history.stories.items() if story.answered < len(story.tried)]
    others = [key for key in history.stories if key not in under_way and not (chance and chance.random() < 0.8)]
    some = asyncio.Semaphore(CLIENTS)

    async def settle(file_id: FileId) -> None:
        async with some:
            seen = await see(lambda: client.file(file_id, on_behalf_of=ANNA))
            history.settle(file_id, seen)
            if not isinstance(seen, str) and seen.status is FileStatus.ACTIVE:
                assert hashlib.sha256(await download(client, file_id)).hexdigest() == seen.sha256

    await asyncio.gather(*map(settle, [*under_way, *others]))
