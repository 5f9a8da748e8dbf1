"""What an element says of itself."""

from __future__ import annotations

from dataclasses import dataclass

from services.model.elements import ElementInfo, ReplicaMode, Role
from services.model.ids import ElementUuid, StorageId
from services.storage.ports import Files
from services.storage.usecases.mode_gate import ModeGate


@dataclass(frozen=True, slots=True)
class Identity:
    """What does not change while the process runs."""

    storage_id: StorageId
    element_uuid: ElementUuid
    version: str
    max_file_size: int
    """Bytes."""


class DescribeElement:
    """Identity, mode, room, counts."""

    def __init__(self, *, identity: Identity, gate: ModeGate, files: Files) -> None:
        self._identity, self._gate, self._files = identity, gate, files

    async def __call__(self) -> ElementInfo:
        """Raises `StorageUnavailable` when the disk does not say how much room it has."""
        room, usage, state = await self._files.room(), self._files.usage(), self._gate.state
        return ElementInfo(
            storage_id=self._identity.storage_id,
            element_uuid=self._identity.element_uuid,
            mode=state.mode,
            mode_revision=state.revision,
            replica_mode=ReplicaMode.STANDALONE,
            role=Role.LEADER,
            capacity_bytes=room.capacity,
            used_bytes=usage.used,
            available_bytes=room.available if self._files.writable else 0,
            max_file_size=self._identity.max_file_size,
            version=self._identity.version,
            writable=self._files.writable,
            files=usage.files,
        )
