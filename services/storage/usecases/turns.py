"""Whose turn it is to add to an upload: the newest comer's. The older one is interrupted, and awaited."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from services.model.errors import Conflict
from services.model.ids import UploadId
from services.storage.ports import Uploads

Result = TypeVar("Result")


class Turns:
    """One at a time works on an upload."""

    def __init__(self, uploads: Uploads) -> None:
        self._uploads = uploads
        self._appending: dict[UploadId, asyncio.Task[Any]] = {}

    def appending(self, upload_id: UploadId) -> bool:
        """Whether somebody is adding to it."""
        return upload_id in self._appending

    async def append(self, upload_id: UploadId, work: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
        """The result of `work`, once whoever was appending has left. Raises `Conflict` if a newer one takes over."""
        self._interrupt(upload_id)
        task = asyncio.create_task(self._alone(upload_id, work))
        self._appending[upload_id] = task
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled():
                raise Conflict("another call goes on with this upload") from None
            await _interrupted(task)
            raise
        finally:
            if self._appending.get(upload_id) is task:
                del self._appending[upload_id]

    async def alone(self, upload_id: UploadId, work: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
        """The same for what is never interrupted; its caller sees to it that it runs to its end."""
        self._interrupt(upload_id)
        return await self._alone(upload_id, work)

    async def _alone(self, upload_id: UploadId, work: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
        async with self._uploads.held(upload_id):
            return await work()

    def _interrupt(self, upload_id: UploadId) -> None:
        if (older := self._appending.get(upload_id)) is not None:
            older.cancel()


async def _interrupted(task: asyncio.Task[Any]) -> None:
    """Return when it has left: what it had received is kept first."""
    task.cancel()
    await asyncio.wait({task})
    if not task.cancelled():
        task.exception()
