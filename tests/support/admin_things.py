"""Accounts, elements and documents that Admin's tests speak of; each argument replaces one of their properties."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import uuid_utils

from services.admin.domain.accounts import ServiceAccount, hash_secret
from services.admin.domain.elements import ElementRecord, Health
from services.model.elements import ElementInfo, ElementStatus, Mode, ReplicaMode, Role
from services.model.files import FileAttributes, FileStatus, RetentionPolicy
from services.model.identity import SCOPES
from services.model.ids import ElementId, ElementUuid, FileId, StorageId, Subject

NOW = datetime(2026, 11, 21, 1, 30, tzinfo=UTC)
SECRET = "the-secret-of-the-scanner"
GIB = 1 << 30


def account(**changes: Any) -> ServiceAccount:
    """An account whose secret is `SECRET`."""
    values: dict[str, Any] = {
        "id": str(uuid.uuid4()),
        "client_id": "sa_scanner_x1",
        "name": "scanner",
        "secret_sha256": hash_secret(SECRET),
        "scopes": SCOPES,
        "created_at": NOW,
    }
    return ServiceAccount(**(values | changes))


def info(storage_id: str = "se-rw-01", **changes: Any) -> ElementInfo:
    """What an element in mode rw says of itself. The same storage id has the same directory."""
    values: dict[str, Any] = {
        "storage_id": StorageId(storage_id),
        "element_uuid": ElementUuid(str(uuid.uuid5(uuid.NAMESPACE_DNS, storage_id))),
        "mode": Mode.RW,
        "mode_revision": 1,
        "replica_mode": ReplicaMode.STANDALONE,
        "role": Role.LEADER,
        "capacity_bytes": 100 * GIB,
        "used_bytes": 10 * GIB,
        "available_bytes": 90 * GIB,
        "max_file_size": GIB,
        "version": "0.1.0",
        "files": {FileStatus.ACTIVE: 7, FileStatus.DELETED: 2},
    }
    return ElementInfo(**(values | changes))


def record(
    storage_id: str = "se-rw-01",
    status: ElementStatus = ElementStatus.ONLINE,
    reason: str = "",
    *,
    endpoint: str = "",
    name: str = "",
    **changes: Any,
) -> ElementRecord:
    """A registered element; `changes` are of its info."""
    said = info(storage_id, **changes)
    return ElementRecord(
        element_id=ElementId(str(uuid.uuid5(uuid.NAMESPACE_URL, storage_id))),
        name=name or storage_id,
        endpoint=endpoint or f"{storage_id}:8010",
        info=said,
        health=Health(status, NOW, reason),
        last_seen_at=NOW,
        created_at=NOW,
    )


def file(**changes: Any) -> FileAttributes:
    """A permanent document with a new id."""
    values: dict[str, Any] = {
        "file_id": FileId(str(uuid_utils.uuid7())),
        "original_filename": "Договор №7.pdf",
        "content_type": "application/pdf",
        "size": 1_048_576,
        "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "uploaded_by": Subject("sa_scanner_x1"),
        "uploaded_at": NOW,
        "updated_at": NOW,
        "retention_policy": RetentionPolicy.PERMANENT,
        "description": "signed in Ufa",
        "tags": ("договор", "2026"),
        "metadata": {
            "counterparty": "ООО «Ромашка»",
            "sum": 12345678901234567890,
            "rate": 0.1,
            "deep": [1, {"a": None}],
        },
        "epoch": 3,
    }
    return FileAttributes(**(values | changes))


def temporary(**changes: Any) -> FileAttributes:
    """A temporary document that ends in 30 days."""
    ttl = timedelta(days=30)
    values: dict[str, Any] = {"retention_policy": RetentionPolicy.TEMPORARY, "ttl": ttl, "expires_at": NOW + ttl}
    return file(**(values | changes))
