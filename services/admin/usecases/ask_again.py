"""Ask an element for files one by one, where its listing does not tell enough."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from services.admin.domain.sync import Known
from services.admin.ports import ElementPeer
from services.model.elements import ElementAddress
from services.model.errors import FileDamaged, FileDeleted, FileExpired, InternalError, NotFound, ValidationFailed
from services.model.files import FileAttributes, FileStatus
from services.model.ids import FileId

AT_ONCE = 8


@dataclass(slots=True)
class Answers:
    """What became of files."""

    files: list[FileAttributes] = field(default_factory=list)
    """They are there."""
    ended: dict[FileId, FileStatus] = field(default_factory=dict)
    """The element has destroyed them, and knows why."""
    gone: list[Known] = field(default_factory=list)
    """It knows nothing of them."""
    unreadable: list[FileId] = field(default_factory=list)
    """They are there, but it cannot tell what they are."""


class AskAgain:
    """Some at a time."""

    def __init__(self, peer: ElementPeer) -> None:
        self._peer = peer

    async def __call__(self, address: ElementAddress, rows: Sequence[Known]) -> Answers:
        """Raises `StorageUnavailable`, `DeadlineExceeded` when the element cannot tell now."""
        answers, room = Answers(), asyncio.Semaphore(AT_ONCE)

        async def ask(row: Known) -> None:
            async with room:
                await self._ask(address, row, answers)

        tasks = [asyncio.create_task(ask(row)) for row in rows]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return answers

    async def _ask(self, address: ElementAddress, row: Known, answers: Answers) -> None:
        try:
            file = await self._peer.file(address, row.file_id)
        except FileDeleted:
            answers.ended[row.file_id] = FileStatus.DELETED
        except FileExpired:
            answers.ended[row.file_id] = FileStatus.EXPIRED
        except NotFound:
            answers.gone.append(row)
        except (FileDamaged, InternalError, ValidationFailed):
            answers.unreadable.append(row.file_id)
        else:
            if file.file_id == row.file_id:
                answers.files.append(file)
            else:
                answers.unreadable.append(row.file_id)
