"""A file that comes from another element with all that it is: what of it is taken, and what is refused."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, replace
from datetime import datetime

from services.model.errors import FieldProblem, FileExpired, ValidationFailed
from services.model.files import FileAttributes, FileStatus, JsonObject, NewFile, RetentionPolicy
from services.storage.domain.documents import check_room, names_of
from services.storage.domain.seal import SEAL
from services.storage.domain.uploads import check_new_id

_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Imported:
    """All that the other element says of it."""

    file: FileAttributes
    unknown: JsonObject = field(default_factory=dict)
    """Members of its attribute file that no version up to this one gives a meaning to."""


def imported(given: Imported, *, at: datetime) -> FileAttributes:
    """Its attributes here: the same, with times as they are written; the epoch is for whoever writes it.

    Raises `ValidationFailed`, `FileExpired`, `MetadataTooLarge`.
    """
    file = given.file
    problems = [*_status_problems(file), *_field_problems(file), *_end_problems(file), *_unknown_problems(given)]
    if problems:
        raise ValidationFailed("the attributes cannot be taken over", problems)
    NewFile(
        file.original_filename, file.retention_policy, file.content_type, file.ttl, file.description, file.tags,
        file.metadata, file.size, file.file_id,
    ).check()  # fmt: skip
    check_new_id(file.file_id, at)
    if file.status_at(at) is FileStatus.EXPIRED:
        raise FileExpired("the file has expired")
    written = replace(
        file, uploaded_at=_written(file.uploaded_at), updated_at=_written(file.updated_at),
        expires_at=None if file.expires_at is None else _written(file.expires_at), epoch=0,
    )  # fmt: skip
    check_room(written, given.unknown)
    return written


def _status_problems(file: FileAttributes) -> list[FieldProblem]:
    if file.status is not FileStatus.ACTIVE or file.deleted_at is not None or file.deleted_by is not None:
        return [FieldProblem("status", "only an active file can be taken over")]
    return []


def _field_problems(file: FileAttributes) -> list[FieldProblem]:
    problems = []
    if not _DIGEST.fullmatch(file.sha256):
        problems.append(FieldProblem("sha256", "must be 64 lower-case hexadecimal digits"))
    if not 1 <= file.revision < 2**63:
        problems.append(FieldProblem("revision", "must be positive"))
    if not file.uploaded_by or "\0" in file.uploaded_by:
        problems.append(FieldProblem("uploaded_by", "is required"))
    if len(set(file.tags)) != len(file.tags):
        problems.append(FieldProblem("tags", "must differ from each other"))
    return problems


def _end_problems(file: FileAttributes) -> list[FieldProblem]:
    temporary = file.retention_policy is RetentionPolicy.TEMPORARY
    if temporary != (file.expires_at is not None) or temporary != (file.ttl is not None):
        return [FieldProblem("expires_at", "temporary files have an end and a time to live, permanent ones have none")]
    return []


def _unknown_problems(given: Imported) -> list[FieldProblem]:
    try:
        json.dumps(given.unknown, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, TypeError, RecursionError):
        return [FieldProblem("unknown", "must be a JSON object that UTF-8 can hold")]
    known = sorted({*given.unknown} & {*names_of(given.file), SEAL, "damage"})
    return [FieldProblem("unknown", f"{name} does not stand there") for name in known]


def _written(at: datetime) -> datetime:
    return at.replace(microsecond=at.microsecond // 1000 * 1000)
