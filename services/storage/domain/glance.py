"""What an index keeps of a document, read without the rest: making an index anew reads a million of them.

The seal is checked as ever. Of what is sealed only the members below are looked at: a document that is ours has the
others, too, and whoever serves a file reads all of them.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Annotated, Literal

import msgspec

from services.storage.domain.seal import SEAL, CorruptDocument

_TAIL = f',"{SEAL}":"'.encode()
_TAIL_BYTES = len(_TAIL) + 64 + len(b'"}\n')
Status = Literal["active", "expired", "deleted", "damaged", "missing"]
"""As text: this is for an index."""
Moment = Annotated[datetime, msgspec.Meta(tz=True)]


class Glance(msgspec.Struct, frozen=True, gc=False):
    """The members that an index keeps."""

    file_id: str
    storage_filename: str
    uploaded_at: Moment
    status: Status
    size: int
    revision: int
    expires_at: Moment | None


_DECODER = msgspec.json.Decoder(Glance)


def glance(text: bytes) -> Glance:
    """What an index keeps of a document that was written by this software. Raises `CorruptDocument`.

    Stricter than `documents.decode`: what that takes and this does not is none of our own writing, but may be trusted.
    """
    body, tail = text[:-_TAIL_BYTES], text[-_TAIL_BYTES:]
    if tail != b'%b%b"}\n' % (_TAIL, hashlib.sha256(body).hexdigest().encode()):
        raise CorruptDocument("its content does not match its seal")
    try:
        return _DECODER.decode(body + b"}")
    except (msgspec.MsgspecError, ValueError) as error:
        raise CorruptDocument(f"it lacks what an index needs: {error}") from None
