"""The `Range` of a download: one range of bytes, RFC 9110 sections 14.1.2 and 14.2."""

from __future__ import annotations

import re

from services.model.errors import RangeNotSatisfiable
from services.model.files import ByteRange

_SINGLE = re.compile(r"bytes=[ \t]*(\d*)-(\d*)[ \t]*", re.ASCII | re.IGNORECASE)
_MAX_DIGITS = 19
"""Of a position in any file that there can be; longer numbers mean "beyond every end"."""


def resolve(header: str | None, size: int) -> ByteRange | None:
    """The part of a file of `size` bytes that is wanted; None: the whole.

    What is not one well-formed range of bytes is ignored, as the RFC allows: several ranges, other units, nonsense.
    Raises `RangeNotSatisfiable` when the range has no byte in the file.
    """
    match = _SINGLE.fullmatch(header) if header else None
    if match is None or match.group(1) == match.group(2) == "":
        return None
    first, last = _number(match.group(1)), _number(match.group(2))
    if first is None:
        return _suffix(last or 0, size)
    if last is not None and last < first:
        return None  # not a range (section 14.1.1)
    if first >= size:
        raise RangeNotSatisfiable(f"The file has {size} bytes; the range begins at {match.group(1)[:_MAX_DIGITS]}.")
    return ByteRange(first, size - 1 if last is None else min(last, size - 1))


def content_range(part: ByteRange, size: int) -> str:
    """The value of `Content-Range` with 206 (section 14.4)."""
    return f"bytes {part.first}-{part.last}/{size}"


def unsatisfied(size: int) -> str:
    """The value of `Content-Range` with 416 (section 14.4)."""
    return f"bytes */{size}"


def _suffix(length: int, size: int) -> ByteRange | None:
    if length == 0:
        raise RangeNotSatisfiable("A suffix of no bytes cannot be served.")
    if size == 0:
        return None  # satisfiable, but there is no way to write it as a range: the whole, which is empty
    return ByteRange(max(0, size - length), size - 1)


def _number(digits: str) -> int | None:
    if not digits:
        return None
    significant = digits.lstrip("0")
    return 10**_MAX_DIGITS if len(significant) > _MAX_DIGITS else int(significant or "0")
