"""What an element says of itself."""

from __future__ import annotations

from dataclasses import dataclass

from services.model.elements import ElementInfo
from services.model.ids import ElementUuid, StorageId
from services.storage.ports import Files, Standing
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

    def __init__(self, *, identity: Identity, gate: ModeGate, files: Files, standing: Standing) -> None:
        self._identity, self._gate, self._files, self._standing = identity, gate, files, standing

    async def __call__(self) -> ElementInfo:
        """Raises `StorageUnavailable` when the disk does not say how much room it has."""
        room, usage, state = await self._files.room(), self._files.usage(), self._gate.state
        writable = self._standing.writable
        return ElementInfo(
            storage_id=self._identity.storage_id,
            element_uuid=self._identity.element_uuid,
            mode=state.mode,
            mode_revision=state.revision,
            replica_mode=self._standing.replica_mode,
            role=self._standing.role,
            capacity_bytes=room.capacity,
            used_bytes=usage.used,
            available_bytes=room.available if writable else 0,
            max_file_size=self._identity.max_file_size,
            version=self._identity.version,
            writable=writable,
            files=usage.files,
        )
