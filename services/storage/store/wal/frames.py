"""Frames: a batch of records with its number and checksum; see the head of this package."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

import google_crc32c

MAGIC = b"AWJ1"
_FIXED = struct.Struct(">4sQI")
_CRC = struct.Struct(">I")
HEADER_BYTES = _FIXED.size + _CRC.size


@dataclass(frozen=True, slots=True)
class Frame:
    """One batch."""

    batch: int
    payload: bytes
    end: int
    """Offset of the byte behind it."""


@dataclass(slots=True)
class Scan:
    """What one segment holds."""

    frames: list[Frame] = field(default_factory=list)
    """The valid ones from its beginning on."""
    torn: bool = False
    """Something that is no valid frame, and not the zeros of empty room, follows them."""
    after: bool = False
    """A valid frame lies behind that: what was durable has changed."""

    @property
    def end(self) -> int:
        """Offset of the byte behind the last valid frame."""
        return self.frames[-1].end if self.frames else 0


def encode(batch: int, payload: bytes) -> bytes:
    """The bytes of a frame."""
    fixed = _FIXED.pack(MAGIC, batch, len(payload))
    return b"%b%b%b" % (fixed, _CRC.pack(_checksum(fixed, payload)), payload)


def scan(data: bytes, first: int | None) -> Scan:
    """The frames of a segment. `first`: the number that the first one must have; None: whatever it has."""
    found = Scan()
    expected, offset = first, 0
    while (frame := frame_at(data, offset)) is not None and expected in (None, frame.batch):
        found.frames.append(frame)
        expected, offset = frame.batch + 1, frame.end
    found.torn = bool(data[offset:].lstrip(b"\0"))
    found.after = found.torn and _valid_after(data, offset)
    return found


def frame_at(data: bytes, offset: int) -> Frame | None:
    """The frame that begins there; None if no whole and valid one does."""
    begin = offset + HEADER_BYTES
    if begin > len(data):
        return None
    magic, batch, length = _FIXED.unpack_from(data, offset)
    if magic != MAGIC or begin + length > len(data):
        return None
    payload = data[begin : begin + length]
    (checksum,) = _CRC.unpack_from(data, offset + _FIXED.size)
    if checksum != _checksum(data[offset : offset + _FIXED.size], payload):
        return None
    return Frame(batch, payload, begin + length)


def _valid_after(data: bytes, offset: int) -> bool:
    """Whether a valid frame begins anywhere from `offset` on."""
    while (offset := data.find(MAGIC, offset)) >= 0:
        if frame_at(data, offset) is not None:
            return True
        offset += 1
    return False


def _checksum(fixed: bytes, payload: bytes) -> int:
    return int(google_crc32c.extend(google_crc32c.value(fixed), payload))
