"""The changes to an element."""

from __future__ import annotations

from typing import Any

from artstore.storage.v1 import feed_pb2, storage_pb2

from clients.wire.documents import file_from_document
from clients.wire.elements import mode_to_proto, required_mode_from_proto
from clients.wire.files import file_from_proto, file_to_proto, status_from_proto, status_to_proto
from clients.wire.paging import page_info_to_proto
from clients.wire.scalars import EnumTable, only_set, time_from_proto, time_to_proto
from services.model.errors import ValidationFailed
from services.model.feed import Change, ChangeKind, Destroyed, FeedPosition, FileListing, ModeChange
from services.model.ids import Subject, parse_file_id

_KINDS = EnumTable(ChangeKind, feed_pb2.ChangeKind, "CHANGE_KIND")


def position_to_proto(position: FeedPosition | None) -> feed_pb2.FeedPosition | None:
    """None leaves the field unset."""
    return None if position is None else feed_pb2.FeedPosition(feed_id=position.feed_id, number=position.number)


def position_from_proto(message: feed_pb2.FeedPosition) -> FeedPosition:
    """Every field."""
    return FeedPosition(message.feed_id, message.number)


def listing_to_proto(listing: FileListing) -> storage_pb2.ListFilesResponse:
    """Rows, where they lie, and where the feed stood."""
    return storage_pb2.ListFilesResponse(
        files=map(file_to_proto, listing.items),
        page=page_info_to_proto(listing),
        position=position_to_proto(listing.position),
    )


def listing_from_proto(message: storage_pb2.ListFilesResponse) -> FileListing:
    """Rows, in whichever of the two forms, where they lie, and where the feed stood."""
    return FileListing(
        items=[*map(file_from_document, message.documents), *map(file_from_proto, message.files)],
        total=message.page.total,
        has_more=message.page.has_more,
        next_cursor=message.page.next_cursor,
        position=position_from_proto(message.position) if message.HasField("position") else None,
    )


def change_event_to_proto(change: Change) -> feed_pb2.Change:
    """Every field."""
    return feed_pb2.Change(
        number=change.number,
        kind=_KINDS.to_proto(change.kind),
        file_id=change.file_id or "",
        **only_set(
            file=None if change.file is None else file_to_proto(change.file),
            destroyed=None if change.destroyed is None else destroyed_to_proto(change.destroyed),
            mode=None if change.mode is None else _mode_change_to_proto(change.mode),
        ),
    )


def change_event_from_proto(message: feed_pb2.Change) -> Change:
    """Every field. A kind that this version does not know is taken for an update: what the change carries counts."""
    subject: dict[str, Any] = {}
    match message.WhichOneof("subject"):
        case "file":
            subject["file"] = file_from_proto(message.file)
        case "destroyed":
            subject["destroyed"] = destroyed_from_proto(message.destroyed)
        case "mode":
            subject["mode"] = _mode_change_from_proto(message.mode)
    return Change(
        number=message.number,
        kind=_kind(message.kind),
        file_id=parse_file_id(message.file_id) if message.file_id else None,
        **subject,
    )


def destroyed_to_proto(line: Destroyed) -> feed_pb2.DestroyedFile:
    """Every field."""
    return feed_pb2.DestroyedFile(
        file_id=line.file_id,
        size=line.size,
        sha256=line.sha256,
        why=status_to_proto(line.why),
        by=line.by or "",
        ended_at=time_to_proto(line.ended_at),
        destroyed_at=time_to_proto(line.destroyed_at),
    )


def destroyed_from_proto(message: feed_pb2.DestroyedFile) -> Destroyed:
    """Every field."""
    why = status_from_proto(message.why, "why")
    if why is None:
        raise ValidationFailed.of("why", "is required")
    return Destroyed(
        file_id=parse_file_id(message.file_id),
        size=message.size,
        sha256=message.sha256,
        why=why,
        by=Subject(message.by) if message.by else None,
        ended_at=time_from_proto(message.ended_at, "ended_at"),
        destroyed_at=time_from_proto(message.destroyed_at, "destroyed_at"),
    )


def _kind(number: int) -> ChangeKind:
    try:
        return _KINDS.from_proto(number, "kind")
    except ValidationFailed:
        return ChangeKind.UPDATED


def _mode_change_to_proto(change: ModeChange) -> feed_pb2.ModeChange:
    return feed_pb2.ModeChange(
        mode=mode_to_proto(change.mode),
        revision=change.revision,
        changed_at=time_to_proto(change.changed_at),
        changed_by=change.changed_by,
    )


def _mode_change_from_proto(message: feed_pb2.ModeChange) -> ModeChange:
    return ModeChange(
        mode=required_mode_from_proto(message.mode, "mode"),
        revision=message.revision,
        changed_at=time_from_proto(message.changed_at, "changed_at"),
        changed_by=Subject(message.changed_by),
    )
