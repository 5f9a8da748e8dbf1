"""One range, of any file, as any client may write it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.http.ranges import content_range, resolve, unsatisfied
from services.model.errors import RangeNotSatisfiable
from services.model.files import ByteRange


@pytest.mark.parametrize(
    ("header", "size", "expected"),
    [
        ("bytes=0-0", 1, ByteRange(0, 0)),
        ("bytes=0-", 10, ByteRange(0, 9)),
        ("bytes=3-5", 10, ByteRange(3, 5)),
        ("bytes=3-999", 10, ByteRange(3, 9)),
        ("bytes=-3", 10, ByteRange(7, 9)),
        ("bytes=-999", 10, ByteRange(0, 9)),
        ("BYTES=0-0", 10, ByteRange(0, 0)),
        ("bytes= 0-0 ", 10, ByteRange(0, 0)),
        ("bytes=000000000000000000000000001-2", 10, ByteRange(1, 2)),
        ("bytes=9-99999999999999999999999999999", 10, ByteRange(9, 9)),
        (None, 10, None),
        ("", 10, None),
        ("bytes=", 10, None),
        ("bytes=-", 10, None),
        ("bytes=5-3", 10, None),
        ("bytes=0-1,3-4", 10, None),
        ("bytes=0x1-2", 10, None),
        ("bytes=1-2\r\nX: y", 10, None),
        ("items=0-1", 10, None),
        ("bytes=²-3", 10, None),
        ("bytes=-5", 0, None),
    ],
)
def test_a_header_means_this_part(header: str | None, size: int, expected: ByteRange | None) -> None:
    assert resolve(header, size) == expected


@pytest.mark.parametrize(
    ("header", "size"),
    [("bytes=10-", 10), ("bytes=10-20", 10), ("bytes=-0", 10), ("bytes=0-", 0), (f"bytes={'9' * 5000}-", 10)],
)
def test_a_range_without_a_byte_is_refused(header: str, size: int) -> None:
    with pytest.raises(RangeNotSatisfiable):
        resolve(header, size)


@given(
    st.integers(0, 2**63 - 1), st.one_of(st.none(), st.integers(0, 2**64)), st.one_of(st.none(), st.integers(0, 2**64))
)
def test_what_is_found_lies_in_the_file(size: int, first: int | None, last: int | None) -> None:
    header = f"bytes={'' if first is None else first}-{'' if last is None else last}"
    try:
        part = resolve(header, size)
    except RangeNotSatisfiable:
        assert (first is not None and first >= size) or (first is None and last == 0)
        return
    if part is not None:
        assert 0 <= part.first <= part.last < size
        assert first is None or part.first == first


@given(st.text(), st.integers(0, 1000))
def test_nonsense_is_ignored_or_refused_but_never_breaks(header: str, size: int) -> None:
    try:
        part = resolve("bytes=" + header, size)
    except RangeNotSatisfiable:
        return
    assert part is None or 0 <= part.first <= part.last < size


def test_the_headers_of_the_answer() -> None:
    assert content_range(ByteRange(0, 99), 1000) == "bytes 0-99/1000"
    assert unsatisfied(1000) == "bytes */1000"
