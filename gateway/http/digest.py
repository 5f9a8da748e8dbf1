"""Digests that a client declares: `Repr-Digest` and `Content-Digest`, RFC 9530.

Both are dictionaries of byte sequences (RFC 9651 sections 3.2 and 3.3.5): `sha-256=:<base64>:, sha-512=:<base64>:`.
"""

from __future__ import annotations

import base64
import binascii
import re

from services.model.errors import ValidationFailed

_KEY = r"[a-z*][a-z0-9_\-.*]*"
_PARAMETERS = rf"(?:;[ ]*{_KEY}(?:=[A-Za-z0-9+/:=.\-_*?\"]+)?)*"
_MEMBER = rf"({_KEY})=:([A-Za-z0-9+/=]*):{_PARAMETERS}"
_MEMBERS = re.compile(rf"{_MEMBER}(?:[ \t]*,[ \t]*(?=\S)|[ \t]*$)", re.ASCII)
_ALGORITHM = "sha-256"
_DIGEST_BYTES = 32


def declared_sha256(headers: list[tuple[str, str | None]]) -> str | None:
    """The SHA-256 that the content must have, as hexadecimal digits; None where no header declares one.

    `headers`: (name, value) of the headers that speak of the same bytes. Other algorithms are ignored.
    Raises `ValidationFailed` naming the header that is malformed or contradicts another.
    """
    found: str | None = None
    for name, value in headers:
        digest = None if value is None else _sha256(name, value)
        if digest is not None and found not in (None, digest):
            raise ValidationFailed.of(name, "contradicts another digest of the same request")
        found = digest or found
    return found


def repr_digest(sha256: str) -> str:
    """The value of `Repr-Digest` for a document with this SHA-256 (hexadecimal digits)."""
    return f"{_ALGORITHM}=:{base64.b64encode(bytes.fromhex(sha256)).decode()}:"


def _sha256(header: str, text: str) -> str | None:
    encoded = _dictionary(header, text).get(_ALGORITHM)
    if encoded is None:
        return None
    try:
        digest = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        digest = b""
    if len(digest) != _DIGEST_BYTES:
        raise ValidationFailed.of(header, f"{_ALGORITHM} must be the base64 of {_DIGEST_BYTES} bytes between colons")
    return digest.hex()


def _dictionary(header: str, text: str) -> dict[str, str]:
    """The members; of a repeated one the last counts (RFC 9651 section 4.2.2)."""
    members: dict[str, str] = {}
    position, text = 0, text.strip(" ")
    while position < len(text):
        match = _MEMBERS.match(text, position)
        if match is None:
            raise ValidationFailed.of(header, f"must be written {_ALGORITHM}=:<base64 of the digest>: (RFC 9530)")
        members[match.group(1)] = match.group(2)
        position = match.end()
    return members
