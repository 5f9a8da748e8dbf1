from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from services.model.errors import ChecksumMismatch, Conflict, Forbidden
from services.model.files import RetentionPolicy
from services.model.ids import Subject
from services.storage.domain.resumable import (
    OpenUpload,
    check_end,
    decode,
    encode,
    require_offset,
    require_owner,
    require_same,
)
from services.storage.domain.seal import CorruptDocument, seal
from tests.unit.storage.samples import ANNA, FILE_ID, NOW, new_file

UPLOAD = OpenUpload(new_file(declared_size=10), ANNA, NOW, epoch=3, offset=4)


@pytest.mark.parametrize(
    "upload",
    [
        UPLOAD,
        replace(UPLOAD, completed=True, offset=2**40),
        replace(UPLOAD, new=new_file(ttl=timedelta(seconds=90), tags=("ы", "b"), metadata={"n": 10**20, "x": [None]})),
        replace(UPLOAD, new=new_file(retention_policy=RetentionPolicy.PERMANENT, description='"\\\\')),
    ],
)
def test_what_was_written_is_read(upload: OpenUpload) -> None:
    assert decode(encode(upload)) == upload


def test_a_flipped_bit_is_noticed() -> None:
    text = encode(UPLOAD)
    for position in range(len(text) - 1):
        damaged = text[:position] + bytes([text[position] ^ 1]) + text[position + 1 :]
        with pytest.raises(CorruptDocument):
            decode(damaged)


@pytest.mark.parametrize("members", [{}, {"format": 2}, {"format": 1, "upload_id": "x"}])
def test_what_is_no_upload_is_corrupt(members: dict[str, object]) -> None:
    with pytest.raises(CorruptDocument):
        decode(seal({"a": 1, **members}))


def test_the_id_is_that_of_the_file_and_only_its_sender_goes_on() -> None:
    assert UPLOAD.file_id == FILE_ID
    assert str(UPLOAD.upload_id) == FILE_ID
    require_owner(UPLOAD, ANNA)
    with pytest.raises(Forbidden):
        require_owner(UPLOAD, Subject("boris"))
    require_same(UPLOAD, new_file(declared_size=10))
    with pytest.raises(Conflict):
        require_same(UPLOAD, new_file(declared_size=11))


def test_bytes_are_added_behind_those_that_are_there_and_never_to_a_document() -> None:
    require_offset(UPLOAD, 4)
    for offset in (-1, 0, 3, 5):
        with pytest.raises(Conflict) as told:
            require_offset(UPLOAD, offset)
        assert told.value.details[0].message == "4"
    with pytest.raises(Conflict):
        require_offset(UPLOAD.done(expires_at=NOW), 4)


def test_what_is_outstanding_is_what_was_declared_and_has_not_come() -> None:
    assert UPLOAD.outstanding == 6
    assert UPLOAD.grown(10, epoch=3, expires_at=NOW).outstanding == 0
    assert UPLOAD.done(expires_at=NOW).outstanding == 0
    assert replace(UPLOAD, new=new_file()).outstanding == 0


def test_less_or_more_than_was_sent_is_told() -> None:
    check_end(said=3, received=3)
    for said in (2, 4):
        with pytest.raises(ChecksumMismatch):
            check_end(said=said, received=3)
