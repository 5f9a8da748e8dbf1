r"""A JSON object on the disk, sealed: one flipped bit must not destroy a file or change who may do what.

The last member is the seal, the SHA-256 of every byte before `,"attr_sha256"`:

    {"schema_version":1,…,"attr_sha256":"<64 hexadecimal digits>"}\n

so that a shell can check it: `sed 's/,"attr_sha256":"[0-9a-f]*"}$//' FILE | tr -d '\n' | sha256sum`.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from typing import Any

SEAL = "attr_sha256"
_TAIL = re.compile(rb',"attr_sha256":"([0-9a-f]{64})"\}\n?\Z')
SEAL_BYTES = len(f',"{SEAL}":""}}\n') + 64
"""What a seal adds to the object before its closing brace."""


class CorruptDocument(Exception):
    """The bytes are not a document that this software sealed. Says what is wrong, for the log."""


def seal(members: Mapping[str, Any]) -> bytes:
    """The sealed text of a non-empty object, UTF-8, unescaped, with a line end. An old seal among them is dropped."""
    body = json.dumps(
        {name: value for name, value in members.items() if name != SEAL},
        ensure_ascii=False,
        allow_nan=False,
        separators=(",", ":"),
    ).encode()[:-1]
    return b'%b,"attr_sha256":"%b"}\n' % (body, hashlib.sha256(body).hexdigest().encode())


def unseal(text: bytes) -> dict[str, Any]:
    """The members of a sealed object, the seal itself left out. Raises `CorruptDocument`."""
    found = _TAIL.search(text)
    if found is None:
        raise CorruptDocument("it does not end with a seal")
    body = text[: found.start()]
    if hashlib.sha256(body).hexdigest().encode() != found[1]:
        raise CorruptDocument("its content does not match its seal")
    return parse(body + b"}")


def sealed_just_so(text: bytes) -> None:
    """Return if the text is sealed, and ends to the byte as `seal` ends it. Raises `CorruptDocument`."""
    digest = hashlib.sha256(text[:-SEAL_BYTES]).hexdigest()
    if text[-SEAL_BYTES:] != f',"{SEAL}":"{digest}"}}\n'.encode():
        raise CorruptDocument("its content does not match its seal")


def parse(text: bytes) -> dict[str, Any]:
    """The members of an object, sealed or not. Raises `CorruptDocument`."""
    try:
        members = json.loads(text, parse_float=_finite, parse_constant=_refused)
    except (ValueError, RecursionError) as error:
        raise CorruptDocument(f"it is not JSON: {error}") from None
    if not isinstance(members, dict):
        raise CorruptDocument("it is not a JSON object")
    if rb"\u" in text and not _encodable(members):
        raise CorruptDocument("it holds half a surrogate pair")
    return members


def _encodable(members: dict[str, Any]) -> bool:
    """Whether UTF-8 can hold every string; escapes can write code points that it cannot (RFC 8259 section 8.2)."""
    try:
        json.dumps(members, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("a number is too large")
    return value


def _refused(text: str) -> float:
    raise ValueError(f"{text} is not JSON")
