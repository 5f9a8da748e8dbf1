"""A document just as this software writes it, read in one go: a listing reads thousands of them a second.

Stricter than `documents.decode`, which takes what this refuses and reads it member by member: a later version, members
that this software does not know, a deliberate edit by hand. What this takes, that reads to the same.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from services.model.files import FileStatus, RetentionPolicy
from services.storage.domain.seal import CorruptDocument, sealed_just_so

_HEXADECIMAL = "0123456789abcdef"
_FILE_ID = r"\A[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\Z"
_MOST = 2**63 - 1

FileIdText = Annotated[str, msgspec.Meta(pattern=_FILE_ID)]
Count = Annotated[int, msgspec.Meta(ge=0, le=_MOST)]
Revision = Annotated[int, msgspec.Meta(ge=1, le=_MOST)]


class Written(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """The members of version 1, in their order. Times are text."""

    schema_version: Literal[1]
    file_id: FileIdText
    revision: Revision
    epoch: Count
    original_filename: str
    storage_filename: str
    content_type: str
    size: Count
    sha256: str
    uploaded_by: str
    uploaded_at: str
    updated_at: str
    description: str
    tags: tuple[str, ...]
    metadata: dict[str, Any]
    retention_policy: RetentionPolicy
    ttl_days: int | float | None
    expires_at: str | None
    status: FileStatus
    deleted_at: str | None
    deleted_by: str | None
    attr_sha256: str


_DECODER = msgspec.json.Decoder(Written)


def written(text: bytes) -> Written:
    """The members of a document that this software has written. Raises `CorruptDocument`."""
    sealed_just_so(text)
    try:
        found = _DECODER.decode(text)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise CorruptDocument(f"it is not just as it was written: {error}") from None
    if len(found.sha256) != 64 or found.sha256.strip(_HEXADECIMAL):
        raise CorruptDocument("sha256 is not 64 hexadecimal digits")
    return found
