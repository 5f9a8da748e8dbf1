"""A document as it lies on an element's disk is read by others as the element itself reads it."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, reject

from clients import wire
from services.model.errors import MetadataTooLarge, ValidationFailed
from services.model.files import FileAttributes, RetentionPolicy
from services.storage.domain.documents import SCHEMA_VERSION, Document, encode
from tests.unit.storage.samples import any_attributes, attributes


def text(**changes: Any) -> bytes:
    """A document some of whose members are others; the seal is none."""
    members = json.loads(encode(Document(attributes(), "stored.pdf")))
    return json.dumps(members | changes).encode()


def test_it_is_the_version_that_elements_write() -> None:
    assert wire.DOCUMENT_VERSION == SCHEMA_VERSION


@given(any_attributes())
def test_every_document_comes_back_as_it_was(file: FileAttributes) -> None:
    try:
        text = encode(Document(file, "stored.pdf"))
    except MetadataTooLarge:
        reject()
    assert wire.file_from_document(text) == file


@pytest.mark.parametrize(
    "ttl", [None, timedelta(days=30), timedelta(seconds=90), timedelta(days=1, microseconds=1000)], ids=str
)
def test_a_life_is_told_in_days(ttl: timedelta | None) -> None:
    policy = RetentionPolicy.TEMPORARY if ttl else RetentionPolicy.PERMANENT
    file = attributes(ttl=ttl, retention_policy=policy)
    assert wire.file_from_document(encode(Document(file, "stored.pdf"))) == file


def test_names_and_times_may_be_written_in_another_way() -> None:
    file = wire.file_from_document(
        text(file_id=attributes().file_id.upper(), uploaded_at="2026-11-21T06:40:00+03:00", description="\x01\u2028😀")
    )
    assert (file.file_id, file.uploaded_at) == (attributes().file_id, attributes().uploaded_at)
    assert file.description == "\x01\u2028😀"


@pytest.mark.parametrize(
    "nonsense",
    [
        b"", b"[]", b"{}", b"null", b"\xff", b'{"file_id":"\xed\xa0\x80"}',
        text()[:-10],
        text(file_id="x"),
        text(file_id="6f2b1c1e-90c8-4b0e-9f59-5a3a3b8f5a11"),
        text(size="1"),
        text(size=None),
        text(uploaded_at="2026-11-21T03:40:00"),
        text(uploaded_at="yesterday"),
        text(uploaded_at=5),
        text(tags="a"),
        text(tags=[1]),
        text(metadata=[]),
        text(metadata={"a": float("nan")}),
        text(metadata={"a": "1e400"}).replace(b'"1e400"', b"1e400"),
        text(metadata={"a": 0}).replace(b": 0}", b": " + b"[" * 5_000 + b"]" * 5_000 + b"}"),
        text(description="\ud800"),
        text(status="lost"),
        text(retention_policy="forever"),
        text(ttl_days="30"),
        text(ttl_days=1e300),
    ],
)  # fmt: skip
def test_what_is_no_document_is_refused(nonsense: bytes) -> None:
    with pytest.raises(ValidationFailed):
        wire.file_from_document(nonsense)
