"""Resumable uploads on the wire."""

from __future__ import annotations

from artstore.storage.v1 import uploads_pb2

from clients.wire.scalars import time_from_proto, time_to_proto
from services.model.ids import parse_upload_id
from services.model.uploads import UploadState


def upload_to_proto(upload: UploadState) -> uploads_pb2.Upload:
    """An upload as a message."""
    return uploads_pb2.Upload(
        upload_id=upload.upload_id,
        offset=upload.offset,
        declared_size=upload.declared_size,
        expires_at=time_to_proto(upload.expires_at),
        completed=upload.completed,
    )


def upload_from_proto(upload: uploads_pb2.Upload) -> UploadState:
    """An upload from its message. Raises `ValidationFailed`."""
    return UploadState(
        upload_id=parse_upload_id(upload.upload_id),
        offset=upload.offset,
        declared_size=upload.declared_size if upload.HasField("declared_size") else None,
        expires_at=time_from_proto(upload.expires_at, "expires_at"),
        completed=upload.completed,
    )
