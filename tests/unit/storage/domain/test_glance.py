"""A glance at a document: what an index keeps is read as the whole document is, or not at all."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.model.files import FileStatus
from services.storage.domain.documents import Document, decode, encode
from services.storage.domain.glance import glance
from services.storage.domain.seal import CorruptDocument, seal
from services.storage.store.rows import of_document, of_glance
from tests.unit.storage.samples import attributes, moments

TEXT = encode(Document(attributes(description="Опись"), "x.pdf"))


@given(moments, st.none() | moments, st.sampled_from(FileStatus), st.integers(0, 2**63 - 1))
def test_a_glance_sees_what_reading_the_whole_document_gives(
    uploaded_at: datetime, expires_at: datetime | None, status: FileStatus, number: int
) -> None:
    file = attributes(
        uploaded_at=uploaded_at, expires_at=expires_at, status=status, size=number, revision=max(1, number),
        metadata={"uploaded_at": "nested", "a": [1, {"size": 2}]},
    )  # fmt: skip
    text = encode(Document(file, "Опись \U0001f4c4.pdf", unknown={"holds": ["court"]}))
    assert of_glance(glance(text)) == of_document(decode(text))


@given(st.integers(0, len(TEXT) * 8 - 1))
def test_every_flipped_bit_is_noticed(bit: int) -> None:
    flipped = bytearray(TEXT)
    flipped[bit // 8] ^= 1 << bit % 8
    with pytest.raises(CorruptDocument):
        glance(bytes(flipped))


NOT_OURS = [b"", b"{", TEXT[:-1], TEXT[1:], TEXT * 2, seal({"file_id": "x"}), seal({"size": "5"})]


@pytest.mark.parametrize("text", NOT_OURS)
def test_what_is_no_document_of_ours_is_left_to_those_who_look_closer(text: bytes) -> None:
    with pytest.raises(CorruptDocument):
        glance(text)
