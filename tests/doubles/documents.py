"""Documents, elements and people for tests."""

from __future__ import annotations

import hashlib
import uuid
from datetime import UTC, datetime
from typing import Any

import uuid_utils

from services.chassis.caller import Identity
from services.model.elements import ElementAddress
from services.model.files import FileAttributes, RetentionPolicy
from services.model.ids import ElementId, FileId, StorageId, Subject

SOMEBODY = Identity(Subject("sa_test_1"), frozenset({"files:read", "files:write"}), "a.bearer.token")
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()


def new_id() -> FileId:
    """A file id of now."""
    return FileId(str(uuid_utils.uuid7()))


def an_element(storage_id: str = "se-rw-01", endpoint: str = "127.0.0.1:1") -> ElementAddress:
    """An element's address; the same id for the same name."""
    return ElementAddress(ElementId(str(uuid.uuid5(uuid.NAMESPACE_DNS, storage_id))), StorageId(storage_id), endpoint)


def a_file(file_id: FileId | None = None, **attributes: Any) -> FileAttributes:
    """A permanent, active, empty document, but for what is given."""
    values: dict[str, Any] = {
        "original_filename": "Договор №7.pdf",
        "content_type": "application/pdf",
        "size": 0,
        "sha256": EMPTY_SHA256,
        "uploaded_by": SOMEBODY.subject,
        "uploaded_at": NOON,
        "updated_at": NOON,
        "retention_policy": RetentionPolicy.PERMANENT,
    }
    return FileAttributes(file_id=file_id or new_id(), **(values | attributes))
