"""Storage elements that answer what a test wants."""

from __future__ import annotations

import asyncio

from services.model.elements import ElementAddress, ElementInfo
from services.model.errors import ArtStoreError, NotFound, StorageUnavailable
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
        self.files: dict[FileId, FileAttributes | ArtStoreError] = {}
        self.hangs: set[str] = set()
        """Endpoints that are reached but never answer."""

    async def identify(self, endpoint: str) -> ElementInfo:
        return await self._answer(endpoint)

    async def info(self, address: ElementAddress) -> ElementInfo:
        return await self._answer(address.endpoint)

    async def file(self, address: ElementAddress, file_id: FileId) -> FileAttributes:
        await self._answer(address.endpoint)
        self.at |= self.afterwards
        answer = self.files.get(file_id, NotFound("there is no such file"))
        if isinstance(answer, ArtStoreError):
            raise answer
        return answer

    async def _answer(self, endpoint: str) -> ElementInfo:
        if endpoint in self.hangs:
            await asyncio.Event().wait()
        answer = self.at.get(endpoint, StorageUnavailable("cannot be reached now"))
        if isinstance(answer, ArtStoreError):
            raise answer
        return answer
