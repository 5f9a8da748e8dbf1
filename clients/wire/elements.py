"""Storage elements."""

from __future__ import annotations

from typing import TYPE_CHECKING

from artstore.types.v1 import element_pb2

from clients.wire.scalars import EnumTable, only_set, time_from_proto, time_to_proto, word_from_text
from services.model.elements import (
    Element,
    ElementAddress,
    ElementInfo,
    ElementStatus,
    Mode,
    ReplicaMode,
    Role,
    parse_storage_id,
)
from services.model.files import FileStatus
from services.model.ids import ElementUuid, parse_element_id

if TYPE_CHECKING:
    from artstore.types.v1.element_pb2 import ElementMode
    from artstore.types.v1.element_pb2 import ElementStatus as ElementStatusProto

_MODES = EnumTable(Mode, element_pb2.ElementMode, "ELEMENT_MODE")
_STATUSES = EnumTable(ElementStatus, element_pb2.ElementStatus, "ELEMENT_STATUS")


def mode_to_proto(mode: Mode | None) -> ElementMode.ValueType:
    """None becomes the unspecified value."""
    return _MODES.to_proto(mode)


def mode_from_proto(number: int, field: str = "mode") -> Mode | None:
    """The unspecified value, as a filter, becomes None."""
    return _MODES.optional(number, field)


def required_mode_from_proto(number: int, field: str = "mode") -> Mode:
    """Raises `ValidationFailed` when it is unspecified or unknown."""
    return _MODES.from_proto(number, field)


def element_status_to_proto(status: ElementStatus | None) -> ElementStatusProto.ValueType:
    """None becomes the unspecified value."""
    return _STATUSES.to_proto(status)


def element_status_from_proto(number: int, field: str = "status") -> ElementStatus | None:
    """The unspecified value, as a filter, becomes None."""
    return _STATUSES.optional(number, field)


def info_to_proto(info: ElementInfo) -> element_pb2.ElementInfo:
    """Every field."""
    return element_pb2.ElementInfo(
        storage_id=info.storage_id,
        element_uuid=info.element_uuid,
        mode=mode_to_proto(info.mode),
        mode_revision=info.mode_revision,
        replica_mode=info.replica_mode,
        role=info.role,
        capacity_bytes=info.capacity_bytes,
        used_bytes=info.used_bytes,
        available_bytes=info.available_bytes,
        files={str(status): count for status, count in info.files.items()},
        version=info.version,
        max_file_size=info.max_file_size,
        writable=info.writable,
    )


def info_from_proto(message: element_pb2.ElementInfo) -> ElementInfo:
    """Every field. Counts of statuses that this version does not know are left out."""
    known = set(FileStatus)
    return ElementInfo(
        storage_id=parse_storage_id(message.storage_id),
        element_uuid=ElementUuid(message.element_uuid),
        mode=_MODES.from_proto(message.mode, "mode"),
        mode_revision=message.mode_revision,
        replica_mode=word_from_text(ReplicaMode, message.replica_mode, "replica_mode"),
        role=word_from_text(Role, message.role, "role"),
        capacity_bytes=message.capacity_bytes,
        used_bytes=message.used_bytes,
        available_bytes=message.available_bytes,
        max_file_size=message.max_file_size,
        version=message.version,
        writable=message.writable,
        files={FileStatus(word): count for word, count in message.files.items() if word in known},
    )


def element_to_proto(element: Element) -> element_pb2.Element:
    """Every field."""
    return element_pb2.Element(
        element_id=element.element_id,
        name=element.name,
        storage_id=element.storage_id,
        element_uuid=element.element_uuid,
        endpoint=element.endpoint,
        mode=mode_to_proto(element.mode),
        status=element_status_to_proto(element.status),
        status_since=time_to_proto(element.status_since),
        status_reason=element.status_reason,
        replica_mode=element.replica_mode,
        role=element.role,
        capacity_bytes=element.capacity_bytes,
        used_bytes=element.used_bytes,
        available_bytes=element.available_bytes,
        files=element.files,
        version=element.version,
        created_at=time_to_proto(element.created_at),
        **only_set(last_seen_at=time_to_proto(element.last_seen_at), last_sync_at=time_to_proto(element.last_sync_at)),
    )


def element_from_proto(message: element_pb2.Element) -> Element:
    """Every field."""
    seen, synced = message.HasField("last_seen_at"), message.HasField("last_sync_at")
    return Element(
        element_id=parse_element_id(message.element_id),
        name=message.name,
        storage_id=parse_storage_id(message.storage_id),
        element_uuid=ElementUuid(message.element_uuid),
        endpoint=message.endpoint,
        mode=_MODES.from_proto(message.mode, "mode"),
        status=_STATUSES.from_proto(message.status, "status"),
        status_since=time_from_proto(message.status_since, "status_since"),
        status_reason=message.status_reason,
        replica_mode=word_from_text(ReplicaMode, message.replica_mode, "replica_mode"),
        role=word_from_text(Role, message.role, "role"),
        capacity_bytes=message.capacity_bytes,
        used_bytes=message.used_bytes,
        available_bytes=message.available_bytes,
        files=message.files,
        version=message.version,
        created_at=time_from_proto(message.created_at, "created_at"),
        last_seen_at=time_from_proto(message.last_seen_at, "last_seen_at") if seen else None,
        last_sync_at=time_from_proto(message.last_sync_at, "last_sync_at") if synced else None,
    )


def address_to_proto(address: ElementAddress) -> element_pb2.ElementAddress:
    """Every field."""
    return element_pb2.ElementAddress(
        element_id=address.element_id, storage_id=address.storage_id, endpoint=address.endpoint
    )


def address_from_proto(message: element_pb2.ElementAddress) -> ElementAddress:
    """Every field."""
    return ElementAddress(
        element_id=parse_element_id(message.element_id),
        storage_id=parse_storage_id(message.storage_id),
        endpoint=message.endpoint,
    )
