"""Senders that vanish: whatever had been sent, nothing is kept, and nothing of it stays."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator

import pytest

from clients.ingester import IngesterClient
from services.chassis.channel import open_channel, server_name_of
from services.model.errors import ArtStoreError
from services.model.files import NewFile, RetentionPolicy
from tests.service.ingester.conftest import PATIENCE, Ground
from tests.support.cable import Cable

pytestmark = pytest.mark.asyncio(loop_scope="module")

MIB = 1 << 20
SIZE = 4 * MIB
NEW = NewFile("cut.pdf", RetentionPolicy.TEMPORARY)
CUTS = sorted(random.Random(21).randrange(SIZE) for _ in range(40))  # noqa: S311 - the same in every run


async def pieces(count: int, size: int = 65_536) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield bytes(size)


@pytest.mark.parametrize("cut_after", [0, 1, 200, 2000, 5000, *CUTS])
async def test_a_connection_that_is_cut_leaves_nothing(ground: Ground, cut_after: int) -> None:
    kept = ground.real.kept()
    async with Cable(ground.address, cut_after=cut_after) as cable:
        tls = ground.certificates.module("gateway")
        channel = open_channel(cable.address, server_name=server_name_of("ingester"), tls=tls)
        try:
            with pytest.raises(ArtStoreError):
                await IngesterClient(channel).upload(NEW, pieces(SIZE // 65_536), on_behalf_of=ground.somebody())
        finally:
            await channel.close()
        assert cable.was_cut.is_set()
    await ground.eventually(lambda: ground.real.leftovers() == [])
    assert (ground.real.kept(), ground.admin.rows) == (kept, {})


async def test_an_uncut_cable_carries_an_upload(ground: Ground) -> None:
    async with Cable(ground.address) as cable:
        tls = ground.certificates.module("gateway")
        channel = open_channel(cable.address, server_name=server_name_of("ingester"), tls=tls)
        file = await IngesterClient(channel).upload(NEW, pieces(SIZE // 65_536), on_behalf_of=ground.somebody())
        await channel.close()
    assert file.size == SIZE


async def test_a_sender_that_leaves_in_the_middle_leaves_nothing(ground: Ground, client: IngesterClient) -> None:
    kept = ground.real.kept()
    half = asyncio.Event()

    async def half_of_it() -> AsyncIterator[bytes]:
        yield bytes(SIZE)
        half.set()
        await asyncio.Event().wait()

    uploading = asyncio.create_task(client.upload(NEW, half_of_it(), on_behalf_of=ground.somebody()))
    await asyncio.wait_for(half.wait(), PATIENCE)
    await ground.eventually(lambda: ground.real.leftovers() != [])
    uploading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await uploading
    await ground.eventually(lambda: ground.real.leftovers() == [])
    assert ground.real.kept() == kept


async def test_an_ingester_that_is_killed_leaves_nothing(ground: Ground, client: IngesterClient) -> None:
    kept = ground.real.kept()

    async def until_killed() -> AsyncIterator[bytes]:
        yield bytes(SIZE)
        await ground.eventually(lambda: ground.real.leftovers() != [])
        await asyncio.to_thread(ground.process.kill)
        await asyncio.Event().wait()

    try:
        async with asyncio.timeout(PATIENCE):
            with pytest.raises(ArtStoreError):
                await client.upload(NEW, until_killed(), on_behalf_of=ground.somebody())
        await ground.eventually(lambda: ground.real.leftovers() == [])
        assert (ground.real.kept(), ground.admin.rows) == (kept, {})
    finally:
        await ground.start_ingester()
