"""Frames and records: what is written is read, and every flipped bit is noticed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.model.feed import ChangeKind
from services.model.ids import ElementUuid
from services.storage.store.wal import frames
from services.storage.store.wal.records import (
    LONG_AGO,
    NO_FILE,
    Abort,
    Begin,
    Checkpoint,
    Commit,
    CorruptRecord,
    Head,
    Op,
    Place,
    Record,
    decode,
    encode,
)
from tests.unit.storage.samples import DIGEST, FILE_ID, NOW

RECORDS: list[Record] = [
    Head(ElementUuid("9a09e694-c28b-424f-84ed-ec496ad78734"), "aa", Place(3, 2), 7, Place(3, 1), 6, NOW),
    Begin((3 << 32) + 1, Op.CREATE, FILE_ID, "Договор №7_x.pdf", 5, DIGEST, 0, 1, ChangeKind.CREATED),
    Begin((3 << 32) + 2, Op.MODE, NO_FILE, "", 0, "", 4, 5, ChangeKind.MODE_CHANGED),
    Commit((3 << 32) + 1, (3 << 32) + 9, FILE_ID, "Договор №7_x.pdf", ChangeKind.CREATED),
    Commit((3 << 32) + 2, (3 << 32) + 10, NO_FILE, "", ChangeKind.MODE_CHANGED),
    Abort((3 << 32) + 2),
    Checkpoint(9, Place(3, 1)),
]


def test_records_are_read_as_they_were_written() -> None:
    assert decode(encode(RECORDS)) == RECORDS


def test_records_of_a_version_without_a_change_feed_are_read() -> None:
    """Format 1 as it was first written down: no kinds, and heads without number and time."""
    text = encode(RECORDS[:2] + RECORDS[3:4]).decode()
    for member in (',"number":6,"at":"2026-11-21T03:40:00.000+00:00"', ',"kind":"created"'):
        assert member in text
        text = text.replace(member, "")
    head, begin, commit = decode(text.encode())
    assert isinstance(head, Head)
    assert (head.number, head.at) == (None, LONG_AGO)
    assert isinstance(begin, Begin)
    assert begin.kind is ChangeKind.CREATED
    assert isinstance(commit, Commit)
    assert commit.kind is ChangeKind.UPDATED


@pytest.mark.parametrize("name", ["../x", "a/b", "..", ".", "", "a\\u0000b"])
def test_a_record_whose_name_leads_elsewhere_is_refused(name: str) -> None:
    text = encode(RECORDS).replace("Договор №7_x.pdf".encode(), name.encode())
    with pytest.raises(CorruptRecord):
        decode(text)


def test_a_record_of_another_kind_is_refused() -> None:
    with pytest.raises(CorruptRecord):
        decode(b'[{"r":"fence"}]')


def segment(*payloads: bytes, first: int = 1) -> bytes:
    return b"".join(frames.encode(number, each) for number, each in enumerate(payloads, first)) + bytes(100)


def test_frames_are_read_up_to_the_empty_room() -> None:
    found = frames.scan(segment(b"one", b"two", first=5), None)
    assert [(each.batch, each.payload) for each in found.frames] == [(5, b"one"), (6, b"two")]
    assert not found.torn


def test_numbers_that_do_not_follow_one_another_are_damage() -> None:
    found = frames.scan(frames.encode(1, b"one") + frames.encode(3, b"three"), None)
    assert (len(found.frames), found.torn, found.after) == (1, True, True)


@given(st.data())
def test_any_flipped_bit_is_noticed_and_only_the_last_frame_can_be_torn(data: st.DataObject) -> None:
    payloads = [b"one" * 9, b"two" * 9, b"three" * 9]
    text = bytearray(segment(*payloads))
    used = len(text) - 100
    position = data.draw(st.integers(0, used * 8 - 1))
    text[position // 8] ^= 1 << position % 8
    found = frames.scan(bytes(text), None)
    hit = sum(position // 8 >= len(segment(*payloads[:n])) - 100 for n in range(1, 3))
    assert [each.payload for each in found.frames] == payloads[:hit]
    assert found.torn
    assert found.after == (hit < 2)


@given(st.integers(0, 200))
def test_a_frame_that_was_written_in_part_is_a_torn_tail(length: int) -> None:
    whole = segment(b"one" * 9)[:-100]
    last = frames.encode(2, b"two" * 50)
    found = frames.scan(whole + last[: min(length, len(last) - 1)] + bytes(300), None)
    assert len(found.frames) == 1
    assert found.torn == (length > 0)
    assert not found.after
