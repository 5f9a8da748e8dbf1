"""A document just as it was written is read in one go: to the same as member by member, or not at all."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.model.files import FileAttributes
from services.storage.domain import documents
from services.storage.domain.documents import Document, decode, document_of
from services.storage.domain.seal import CorruptDocument, seal, unseal
from services.storage.domain.written import written
from tests.unit.storage.samples import any_attributes, attributes, json_values

TEXT = documents.encode(Document(attributes(description="Опись", metadata={"a": [1, 2.5]}), "x.pdf"))
MEMBERS = json.loads(TEXT)


def member_by_member(text: bytes) -> Document:
    return document_of(unseal(text))


@given(any_attributes())
def test_what_was_written_is_read_in_one_go_and_to_the_same(file: FileAttributes) -> None:
    text = seal(documents._members(Document(file, "Опись \U0001f4c4.pdf")))
    written(text)
    assert decode(text) == member_by_member(text)
    assert repr(decode(text)) == repr(member_by_member(text))  # 1 is not 1.0, nor is one zone of time another


ODD: list[tuple[str, Any]] = [
    ("schema_version", 2), ("schema_version", 0), ("schema_version", True), ("revision", 0), ("revision", 1.0),
    ("revision", 2**63), ("epoch", -1), ("size", True), ("file_id", str(MEMBERS["file_id"]).upper()),
    ("file_id", "01a1fc2c-de53-7000-c293-a3283c33ca50"), ("file_id", "01a1fc2c-de53-4000-8293-a3283c33ca50"),
    ("file_id", MEMBERS["file_id"] + "\n"), ("sha256", "A" * 64), ("sha256", "0" * 63), ("sha256", "0" * 63 + "\n"),
    ("sha256", "0" * 30 + "x" + "0" * 33), ("uploaded_at", "2026-11-21T03:40:00+03:00"), ("uploaded_at", "2026-11-21"),
    ("uploaded_at", "2026-11-21T03:40:00"), ("uploaded_at", "2026-11-21T03:40:00.123456789Z"), ("uploaded_at", None),
    ("expires_at", 5), ("ttl_days", 1e300), ("ttl_days", "3"), ("ttl_days", True), ("tags", None), ("tags", [1]),
    ("metadata", []), ("metadata", None), ("status", "gone"), ("retention_policy", "for ever"), ("deleted_by", 1),
    ("storage_filename", "a/b"), ("storage_filename", ".."), ("storage_filename", ""), ("storage_filename", "a\0b"),
    ("original_filename", None), ("damage", {"found_at": "x"}), ("holds", []), ("attr_sha256", "x"),
]  # fmt: skip


@given(st.sampled_from([*MEMBERS, "colour"]), json_values)
@example("metadata", {"a": 10**30, "b": 1e-400, "c": "\x7f"})
def test_a_member_that_was_edited_and_sealed_again_is_judged_alike(name: str, value: object) -> None:
    judged_alike(name, value)


@pytest.mark.parametrize(("name", "value"), ODD)
def test_odd_members_are_judged_alike(name: str, value: object) -> None:
    judged_alike(name, value)


def judged_alike(name: str, value: object) -> None:
    text = seal({**MEMBERS, name: value})
    try:
        expected = member_by_member(text)
    except CorruptDocument:
        with pytest.raises(CorruptDocument):
            decode(text)
    else:
        assert repr(decode(text)) == repr(expected)


@pytest.mark.parametrize("name", MEMBERS)
def test_a_member_that_is_missing_is_judged_alike(name: str) -> None:
    text = seal({key: value for key, value in MEMBERS.items() if key != name})
    if name == "attr_sha256":
        assert decode(text) == decode(TEXT)
    else:
        with pytest.raises(CorruptDocument):
            decode(text)


@given(st.integers(0, len(TEXT) * 8 - 1))
def test_every_flipped_bit_is_noticed(bit: int) -> None:
    flipped = bytearray(TEXT)
    flipped[bit // 8] ^= 1 << bit % 8
    with pytest.raises(CorruptDocument):
        written(bytes(flipped))
    with pytest.raises(CorruptDocument):
        decode(bytes(flipped))


@pytest.mark.parametrize("text", [b"", b"{", TEXT[:-2], TEXT[1:], TEXT + b"\n", b"[" * 5000 + b"]" * 5000])
def test_what_is_not_sealed_to_the_byte_is_not_read_in_one_go(text: bytes) -> None:
    with pytest.raises(CorruptDocument):
        written(text)
