"""Storage elements as Admin asks them, in its own name."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager

from clients.storage import StorageClient, StoragePool
from services.chassis.caller import Identity
from services.chassis.channel import open_channel, server_name_of
from services.chassis.tls import TlsFiles
from services.model.elements import ElementAddress, ElementInfo
from services.model.feed import Change, FeedPosition, FileListing
from services.model.files import FileAttributes
from services.model.ids import FileId, Subject
from services.model.paging import PageRequest

ADMIN = Identity(Subject("artstore-admin"), frozenset({"storage:read", "files:read"}))
"""Admin asks for itself here, not for the user whose call it may be serving: it only looks."""
PAGE = 1_000
"""Files of one page; the element sends fewer, if they would not fit into a message."""
INFO_SECONDS = 2.0
IDENTIFY_SECONDS = 5.0


class StoragePeer:
    """`ports.ElementPeer` by `clients.storage`."""

    def __init__(self, pool: StoragePool, tls: TlsFiles) -> None:
        self._pool = pool
        self._tls = tls

    async def identify(self, endpoint: str) -> ElementInfo:
        # Its own name is what is asked for, so only the name that all elements share can be expected.
        channel = open_channel(endpoint, server_name=server_name_of("storage"), tls=self._tls)
        async with channel:
            info = await StorageClient(channel).info(on_behalf_of=ADMIN, seconds=IDENTIFY_SECONDS)
        # Whoever answered may bear another element's certificate: it has to prove the name that it claims.
        return await self._pool.client_at(endpoint, info.storage_id).info(on_behalf_of=ADMIN, seconds=IDENTIFY_SECONDS)

    async def info(self, address: ElementAddress) -> ElementInfo:
        return await self._pool.client(address).info(on_behalf_of=ADMIN, seconds=INFO_SECONDS)

    async def file(self, address: ElementAddress, file_id: FileId) -> FileAttributes:
        return await self._pool.client(address).file(file_id, on_behalf_of=ADMIN)

    def watch(
        self, address: ElementAddress, since: FeedPosition
    ) -> AbstractAsyncContextManager[AsyncIterator[FeedPosition | Change]]:
        return self._pool.client(address).feed.watch(since, on_behalf_of=ADMIN)

    async def list_files(self, address: ElementAddress, cursor: str) -> FileListing:
        page = PageRequest(limit=PAGE, cursor=cursor)
        return await self._pool.client(address).all_files(page, on_behalf_of=ADMIN)
