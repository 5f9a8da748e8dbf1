"""Documents for tests of the element, and strategies that make many."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from services.model.files import FileAttributes, FileStatus, NewFile, RetentionPolicy
from services.model.ids import FileId, Subject

FILE_ID = FileId("01a1fc2c-de53-7000-8293-a3283c33ca50")
"""Made at 2026-11-21 03:36 UTC."""
OTHER_ID = FileId("01a1fc2c-de66-7086-91e3-b707ee2ab5d6")
NOW = datetime(2026, 11, 21, 3, 40, tzinfo=UTC)
ANNA = Subject("anna")
DIGEST = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"


def new_file(**changes: Any) -> NewFile:
    """A temporary file that is about to be uploaded."""
    fields: dict[str, Any] = {
        "original_filename": "Договор №7.pdf",
        "retention_policy": RetentionPolicy.TEMPORARY,
        "content_type": "application/pdf",
        "file_id": FILE_ID,
    }
    return NewFile(**{**fields, **changes})


def attributes(**changes: Any) -> FileAttributes:
    """A stored temporary file."""
    fields: dict[str, Any] = {
        "file_id": FILE_ID,
        "original_filename": "Договор №7.pdf",
        "content_type": "application/pdf",
        "size": 1048576,
        "sha256": DIGEST,
        "uploaded_by": ANNA,
        "uploaded_at": NOW,
        "updated_at": NOW,
        "retention_policy": RetentionPolicy.TEMPORARY,
        "ttl": timedelta(days=30),
        "expires_at": NOW + timedelta(days=30),
        "epoch": 1,
    }
    return FileAttributes(**{**fields, **changes})


texts = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"))
names = texts.filter(lambda text: 1 <= len(text.encode()) <= 1024)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
moments = st.datetimes(datetime(1970, 1, 2), datetime(9000, 1, 1), timezones=st.just(UTC)).map(  # noqa: DTZ001 - UTC is added
    lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000)
)


@st.composite
def any_attributes(draw: st.DrawFn) -> FileAttributes:
    """Attributes of any legal kind, not necessarily short enough."""
    ttl = draw(st.none() | st.timedeltas(timedelta(seconds=1), timedelta(days=365)).map(_whole_milliseconds))
    uploaded_at = draw(moments)
    deleted = draw(st.booleans())
    return FileAttributes(
        file_id=FILE_ID,
        original_filename=draw(names),
        content_type=draw(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=255)),
        size=draw(st.integers(0, 2**63 - 1)),
        sha256=DIGEST,
        uploaded_by=Subject(draw(texts.filter(bool))),
        uploaded_at=uploaded_at,
        updated_at=draw(moments),
        retention_policy=RetentionPolicy.PERMANENT if ttl is None else RetentionPolicy.TEMPORARY,
        status=FileStatus.DELETED if deleted else draw(st.sampled_from(FileStatus)),
        description=draw(texts),
        tags=tuple(draw(st.lists(texts, max_size=5))),
        metadata=draw(st.dictionaries(texts, json_values, max_size=5)),
        ttl=ttl,
        expires_at=None if ttl is None else uploaded_at + ttl,
        deleted_at=draw(moments) if deleted else None,
        deleted_by=Subject(draw(texts)) if deleted else None,
        revision=draw(st.integers(1, 2**63 - 1)),
        epoch=draw(st.integers(0, 2**63 - 1)),
    )


def _whole_milliseconds(length: timedelta) -> timedelta:
    return length // timedelta(milliseconds=1) * timedelta(milliseconds=1)
