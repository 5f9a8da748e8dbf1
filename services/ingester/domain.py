"""The ingester's decisions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from services.model.errors import (
    ArtStoreError,
    DeadlineExceeded,
    FileTooLarge,
    InternalError,
    ModeNotAllowed,
    NoElementAvailable,
    ServiceUnavailable,
    StorageFull,
    StorageUnavailable,
    ValidationFailed,
)
from services.model.files import DEFAULT_TTL, MAX_TTL, FileAttributes, NewFile, RetentionPolicy, unique
from services.model.ids import FileId

_DAY = timedelta(days=1)

_OF_THE_ELEMENT = (
    StorageUnavailable,
    ServiceUnavailable,
    DeadlineExceeded,
    StorageFull,
    FileTooLarge,
    ModeNotAllowed,
    InternalError,
)
"""Refusals that lie in one element: another one may take the same document."""

SMALL = 256 << 10
"""Bytes of a document that is read whole before an element is asked to take it: one call for it instead of a stream."""

_PASSING = (StorageUnavailable, ServiceUnavailable, DeadlineExceeded)
"""Refusals that may be gone when asked again."""
_FAILURES = (*_PASSING, InternalError)


def prepared(new_file: NewFile, file_id: FileId) -> NewFile:
    """The document as an element is told of it: checked, with an id, a time to live, and each tag once.

    `file_id` is used where the sender gave none. Raises `ValidationFailed` naming every field that is wrong.
    """
    new_file.check()
    ttl = new_file.ttl
    if new_file.retention_policy is RetentionPolicy.TEMPORARY:
        ttl = DEFAULT_TTL if ttl is None else ttl
        if ttl % _DAY or not _DAY <= ttl <= MAX_TTL:
            raise ValidationFailed.of("ttl_days", f"must be a whole number of days, 1 to {MAX_TTL.days}")
    return replace(new_file, ttl=ttl, tags=unique(new_file.tags), file_id=new_file.file_id or file_id)


def require_the_same(file: FileAttributes, asked: FileId | None) -> FileAttributes:
    """`file`, which an element has answered: no element may write another document's row.

    Raises `InternalError` where it is not the one that it was asked for.
    """
    if file.file_id != asked:
        raise InternalError("the storage element answered for another document")
    return file


def may_be_kept(refusal: ArtStoreError) -> bool:
    """Whether an element that answered a whole small document like this may have kept it nevertheless."""
    return isinstance(refusal, StorageUnavailable) and refusal.outcome_unknown


def another_may_take_it(refusal: ArtStoreError) -> bool:
    """Whether a document that one element refused like this is worth being offered to the next."""
    return isinstance(refusal, _OF_THE_ELEMENT)


def is_a_failure(refusal: ArtStoreError) -> bool:
    """Whether the element is at fault, rather than the document, the mode or the room that is left."""
    return isinstance(refusal, _FAILURES)


def answer_to(refusals: Sequence[ArtStoreError]) -> ArtStoreError:
    """What the sender is told when every element refused: what may pass comes before what will not."""
    passing = [refusal for refusal in refusals if isinstance(refusal, _PASSING)]
    if passing or refusals:
        return (passing or refusals)[-1]
    return NoElementAvailable("no storage element takes documents of this retention policy now", retry_after=5)
