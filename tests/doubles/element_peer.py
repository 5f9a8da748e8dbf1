"""Storage elements that answer what a test wants."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

from services.model.elements import ElementAddress, ElementInfo
from services.model.errors import ArtStoreError, FeedReset, NotFound, StorageUnavailable
from services.model.feed import Change, FeedPosition, FileListing
from services.model.files import FileAttributes
from services.model.ids import FileId

Answer = ElementInfo | ArtStoreError


class FakeElementPeer:
    """Fills `services.admin.ports.ElementPeer`."""

    def __init__(self) -> None:
        self.at: dict[str, Answer] = {}
        """What is said at each endpoint; nothing is there otherwise."""
        self.afterwards: dict[str, Answer] = {}
        """What is said at an endpoint once it has been asked for a file."""
        self.when_asked: Callable[[], Awaitable[None]] | None = None
        """What happens while it is asked for a file."""
        self.files: dict[FileId, FileAttributes | ArtStoreError] = {}
        self.hangs: set[str] = set()
        """Endpoints that are reached but never answer."""
        self.unlisted: set[FileId] = set()
        """Files that are there, but not in the listing."""
        self.listings = 0
        """Pages that were asked for."""
        self.page_size = 2
        self.out_of_order = False
        self.feed = FeedPosition("feed-1", 0)
        """Where the feed stands."""
        self.told: list[Change] = []
        """What the feed tells, whoever watches."""
        self.more = asyncio.Condition()
        self.watched: list[FeedPosition] = []
        """From where it was watched."""

    async def identify(self, endpoint: str) -> ElementInfo:
        return await self._answer(endpoint)

    async def info(self, address: ElementAddress) -> ElementInfo:
        return await self._answer(address.endpoint)

    async def file(self, address: ElementAddress, file_id: FileId) -> FileAttributes:
        await self._answer(address.endpoint)
        self.at |= self.afterwards
        if self.when_asked is not None:
            await self.when_asked()
        answer = self.files.get(file_id, NotFound("there is no such file"))
        if isinstance(answer, ArtStoreError):
            raise answer
        return answer

    async def tells(self, *changes: Change) -> None:
        """Something has changed."""
        async with self.more:
            self.told += changes
            self.feed = replace(self.feed, number=self.told[-1].number)
            self.more.notify_all()

    @asynccontextmanager
    async def watch(
        self, address: ElementAddress, since: FeedPosition
    ) -> AsyncIterator[AsyncIterator[FeedPosition | Change]]:
        self.watched.append(since)
        yield self._changes(address, since)

    async def _changes(self, address: ElementAddress, since: FeedPosition) -> AsyncIterator[FeedPosition | Change]:
        await self._answer(address.endpoint)
        if since.feed_id != self.feed.feed_id:
            raise FeedReset("another feed")
        yield since
        number = since.number
        while True:
            for each in await self._after(number):
                await self._answer(address.endpoint)
                yield each
                number = each.number

    async def _after(self, number: int) -> list[Change]:
        async with self.more:
            await self.more.wait_for(lambda: any(each.number > number for each in self.told))
            return [each for each in self.told if each.number > number]

    async def list_files(self, address: ElementAddress, cursor: str) -> FileListing:
        await self._answer(address.endpoint)
        self.listings += 1
        there = [each for each in self.files.values() if isinstance(each, FileAttributes)]
        listed = [each for each in there if each.file_id not in self.unlisted]
        listed.sort(key=lambda each: (each.uploaded_at, each.file_id), reverse=self.out_of_order)
        begin = int(cursor or 0)
        end = begin + self.page_size
        more = end < len(listed)
        return FileListing(
            listed[begin:end], len(listed), has_more=more, next_cursor=str(end) if more else "",
            position=None if cursor else self.feed,
        )  # fmt: skip

    async def _answer(self, endpoint: str) -> ElementInfo:
        if endpoint in self.hangs:
            await asyncio.Event().wait()
        answer = self.at.get(endpoint, StorageUnavailable("cannot be reached now"))
        if isinstance(answer, ArtStoreError):
            raise answer
        return answer
