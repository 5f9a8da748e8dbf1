"""Resumable uploads: documents that come by parts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from services.model.ids import UploadId


@dataclass(frozen=True, slots=True)
class UploadState:
    """An upload as it stands."""

    upload_id: UploadId
    offset: int
    """Bytes that are kept durably: the next ones follow them."""
    declared_size: int | None
    """Bytes of the whole document, where its sender knows."""
    expires_at: datetime
    """When it is forgotten if nobody goes on with it."""
    completed: bool
    """Whether the document has been made of it."""
