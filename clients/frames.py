"""The chunk frames of uploads and downloads, encoded and decoded by hand, so that a relay need not.

Every stream of bytes is a stream of messages `oneof frame {header = 1; bytes chunk = 2; commit or trailer = 3}`. A
chunk message is thus the key 0x12 (field 2, length-delimited), the length as a varint, and the bytes
(https://protobuf.dev/programming-guides/encoding). Whoever relays passes it on as it came; here it is only measured,
since a message that holds more than one field must never pass for a chunk.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Sequence

from services.model.errors import ValidationFailed

CHUNK = 0x12
"""First byte of a chunk frame."""
LAST = 0x1A
"""First byte of a commit or trailer frame."""
MAX_CHUNK = 1 << 20
"""Bytes in one chunk, at most."""
GATHERING = 5.0
"""Seconds for which small pieces are gathered; well within the silence after which a stream is given up."""


def is_chunk(frame: bytes) -> bool:
    """Whether the frame begins as a chunk does; `chunk_size` says whether it is one."""
    return frame[:1] == b"\x12"


def is_last(frame: bytes) -> bool:
    """Whether the frame begins as a commit or trailer does."""
    return frame[:1] == b"\x1a"


def encode_chunk(*pieces: bytes | memoryview) -> bytes:
    """The frame of one chunk made of these pieces; the only copy on the way."""
    return b"".join((b"\x12", varint(sum(map(len, pieces))), *pieces))


def chunk_size(frame: bytes) -> int:
    """How many bytes a chunk frame carries. Raises `ValidationFailed` unless it is one chunk and nothing else."""
    size, start = _measured(frame)
    if size > MAX_CHUNK:
        raise ValidationFailed.of("chunk", f"at most {MAX_CHUNK} bytes are allowed in one chunk")
    if start + size != len(frame):
        raise ValidationFailed.of("chunk", "the frame holds something beside the chunk")
    return size


def decode_chunk(frame: bytes) -> memoryview:
    """The bytes of a chunk, not copied. Raises `ValidationFailed` unless it is one chunk and nothing else."""
    size = chunk_size(frame)
    return memoryview(frame)[len(frame) - size :]


def joined(chunks: Sequence[bytes]) -> bytes:
    """The frame of one chunk that holds what these frames hold; empty for none. Raises as `decode_chunk`."""
    if len(chunks) == 1:
        return chunks[0]
    return encode_chunk(*map(decode_chunk, chunks)) if chunks else b""


async def cut(
    pieces: AsyncIterable[bytes | memoryview],
    size: Callable[[], int] = lambda: MAX_CHUNK,
    now: Callable[[], float] = time.monotonic,
) -> AsyncIterator[bytes]:
    """Chunk frames of `size` bytes (the last may be shorter) from pieces of any length.

    Small pieces are gathered and large ones are cut; no byte is copied more than once. `size` is asked for each chunk.
    Where pieces come slowly, what was gathered for `GATHERING` seconds goes on with the next one: a slow sender is not
    a silent one to those behind.
    """
    kept: list[bytes | memoryview] = []
    length, wanted, since = 0, size(), now()
    async for piece in pieces:
        rest = piece
        while length + len(rest) >= wanted:
            view = memoryview(rest)
            kept.append(view[: wanted - length])
            rest = view[wanted - length :]
            yield encode_chunk(*kept)
            kept, length, wanted, since = [], 0, size(), now()
        if rest:
            kept.append(rest)
            length += len(rest)
        if kept and now() - since > GATHERING:
            yield encode_chunk(*kept)
            kept, length, wanted, since = [], 0, size(), now()
    if kept:
        yield encode_chunk(*kept)


def varint(value: int) -> bytes:
    """As lengths and keys are written (https://protobuf.dev/programming-guides/encoding#varints)."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _measured(frame: bytes) -> tuple[int, int]:
    """Length as the frame says, and where its bytes begin."""
    if not is_chunk(frame):
        raise ValidationFailed.of("chunk", "the frame is not a chunk")
    size = 0
    for position in range(1, min(len(frame), 6)):
        byte = frame[position]
        size |= (byte & 0x7F) << 7 * (position - 1)
        if byte < 0x80:
            return size, position + 1
    raise ValidationFailed.of("chunk", "the length is malformed")


def total(frames: Iterable[bytes]) -> int:
    """How many bytes these chunk frames carry together."""
    return sum(map(chunk_size, frames))
