"""Many who work on one element's store at once, until its disk fails; each change is told before and after it."""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path

from services.chassis.clock import SystemClock
from services.model.errors import ArtStoreError
from services.model.files import FileAttributes, FileStatus
from services.model.ids import FileId
from services.storage.store.element import Element, open_element
from services.storage.store.refusal import ElementRefused
from tests.doubles.documents import new_id
from tests.faults.history import ABSENT, DESTROYED, Seen
from tests.support.storage_store import content_of, options, store
from tests.unit.storage.samples import attributes

WORKERS = 4
Tell = Callable[..., None]
"""`asked` with its arguments, or `answered` with the file's id; see `history.py`."""


def work(folder: str, seed: int, told: Connection) -> None:
    """The process: work in `folder` until the disk fails, and tell of each change."""
    try:
        asyncio.run(_work(Path(folder), seed, told))
    except (OSError, ArtStoreError, ElementRefused):
        told.close()


async def _work(folder: Path, seed: int, told: Connection) -> None:
    def tell(*what: object) -> None:
        told.send(what)

    with open_element(options(folder, wal_segment=64 << 10), clock=SystemClock()) as element:
        tell("opened")
        await element.rebuild()
        workers = [_worker(element, random.Random(f"{seed}/{n}"), tell) for n in range(WORKERS)]  # noqa: S311 - luck
        await asyncio.gather(*workers)


async def _worker(element: Element, luck: random.Random, tell: Tell) -> None:
    """Make files, change them, delete them; of some all, of some a part."""
    while True:
        data = luck.randbytes(luck.choice([0, 100, 5000, 70_000, 300_000]))
        file_id, sha256 = new_id(), hashlib.sha256(data).hexdigest()
        tell("asked", file_id, sha256, FileStatus.ACTIVE, "")
        now = datetime.now(UTC).replace(microsecond=0)
        await store(element.files, attributes(file_id=file_id, uploaded_at=now, updated_at=now), data)
        tell("answered", file_id)
        if luck.random() < 0.6:
            word = f"word {luck.random()}"
            await _change(element, tell, file_id, sha256, FileStatus.ACTIVE, word)
            if luck.random() < 0.4:
                await _change(element, tell, file_id, sha256, FileStatus.DELETED, word)


async def _change(
    element: Element, tell: Tell, file_id: FileId, sha256: str, status: FileStatus, description: str
) -> None:
    tell("asked", file_id, sha256, status, description)
    await element.files.change(
        file_id,
        lambda document: replace(
            document.attributes, status=status, description=description, revision=document.attributes.revision + 1
        ),
    )
    tell("answered", file_id)


async def see(find: Callable[[], Awaitable[FileAttributes]]) -> Seen:
    """What there is of a file."""
    try:
        return await find()
    except ArtStoreError as error:
        known = {"NOT_FOUND": ABSENT, "FILE_DELETED": DESTROYED}
        if error.code not in known:
            raise
        return known[error.code]


async def see_in_store(element: Element, file_id: FileId) -> Seen:
    """The same, from the store; its bytes were read and are right."""

    async def find() -> FileAttributes:
        found = (await element.files.find(file_id)).attributes
        await content_of(element.files, found)
        return found

    return await see(find)
