"""Private keys at rest: AES-256-GCM by a key that the database never sees."""

from __future__ import annotations

import base64
import binascii
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from services.admin.ports import KeysUnreadable

KEY_BYTES = 32
NONCE_BYTES = 12
VERSION = b"\x01"
"""First byte of what is kept, so that another scheme can follow."""


class Sealer:
    """Seals small secrets; `name` is bound to the secret, so that rows cannot be exchanged."""

    def __init__(self, key: str) -> None:
        """`key`: 32 bytes in base64url. Raises `KeysUnreadable`."""
        try:
            raw = base64.b64decode(key.rstrip("=") + "=" * (-len(key.rstrip("=")) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raise KeysUnreadable("the key encryption key is not base64url") from None
        if len(raw) != KEY_BYTES:
            raise KeysUnreadable(f"the key encryption key has {len(raw)} bytes: it must have {KEY_BYTES}")
        self._cipher = AESGCM(raw)

    def seal(self, secret: bytes, name: str) -> bytes:
        """Return what may be kept."""
        nonce = os.urandom(NONCE_BYTES)
        return VERSION + nonce + self._cipher.encrypt(nonce, secret, name.encode())

    def open(self, sealed: bytes, name: str) -> bytes:
        """Return the secret. Raises `KeysUnreadable`."""
        head, nonce, body = sealed[:1], sealed[1 : 1 + NONCE_BYTES], sealed[1 + NONCE_BYTES :]
        try:
            if head != VERSION:
                raise InvalidTag
            return self._cipher.decrypt(nonce, body, name.encode())
        except (InvalidTag, ValueError):
            raise KeysUnreadable("the signing keys were encrypted with another key encryption key") from None
