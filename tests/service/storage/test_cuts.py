"""Senders and receivers that vanish: whatever had been sent, nothing is kept, and nothing of it stays."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from clients.frames import encode_chunk
from clients.storage import StorageClient
from services.model.errors import ArtStoreError
from services.model.files import UploadCommit
from tests.service.storage.conftest import ANNA, DATA, MIB, Calls, chunks, download, eventually, temporary, upload
from tests.support.cable import Cable
from tests.support.elements import RunningElement

pytestmark = pytest.mark.asyncio(loop_scope="module")

SIZE = 3 * MIB
CUTS = sorted(random.Random(7).randrange(SIZE) for _ in range(30))  # noqa: S311 - the same in every run


@pytest.mark.parametrize("cut_after", [*CUTS, SIZE - 1])
async def test_a_connection_that_is_cut_leaves_nothing(calls: Calls, edit: RunningElement, cut_after: int) -> None:
    kept = edit.kept()
    async with Cable(edit.address.endpoint, cut_after=cut_after) as cable:
        with pytest.raises(ArtStoreError):
            await upload(calls.as_("ingester", cable.address), bytes(SIZE))
        assert cable.was_cut.is_set()
    await eventually(lambda: edit.leftovers() == [])
    assert edit.kept() == kept


async def test_a_sender_that_leaves_in_the_middle_leaves_nothing(ingester: StorageClient, edit: RunningElement) -> None:
    kept, half = edit.kept(), asyncio.Event()

    async def half_of_it() -> AsyncIterator[bytes]:
        yield encode_chunk(bytes(MIB))
        half.set()
        await asyncio.Event().wait()

    async def sending() -> None:
        async with ingester.upload(temporary(), on_behalf_of=ANNA) as stream:
            await stream.send(half_of_it())

    task = asyncio.create_task(sending())
    await half.wait()
    await eventually(lambda: edit.leftovers() != [])
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await eventually(lambda: edit.leftovers() == [])
    assert edit.kept() == kept


async def test_a_commit_whose_sender_leaves_at_once_is_whole_or_absent(
    ingester: StorageClient, query: StorageClient, edit: RunningElement
) -> None:
    for patience in (0.0, 0.001, 0.003, 0.01, 0.03):
        new = temporary()
        assert new.file_id is not None
        async with ingester.upload(new, on_behalf_of=ANNA) as stream:
            await stream.send(chunks(DATA))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    await stream.commit(UploadCommit(len(DATA)))
        await eventually(lambda: edit.leftovers() == [])
        again = await upload(ingester, DATA, new)  # the same file, or the first time
        assert await download(query, again.file_id) == DATA


async def test_a_receiver_that_leaves_in_the_middle_leaves_no_open_file(
    ingester: StorageClient, query: StorageClient, edit: RunningElement
) -> None:
    file = await upload(ingester, bytes(8 * MIB))

    def is_open() -> bool:
        return any(file.file_id in name for name in open_files(edit.process.pid))

    for _ in range(5):
        async with query.download(file.file_id, None, on_behalf_of=ANNA) as receiving:
            await anext(receiving.frames())
    await eventually(lambda: not is_open())


def open_files(pid: int) -> list[str]:
    """What the descriptors of a process lead to."""
    found = []
    for each in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            found.append(str(each.readlink()))
    return found
