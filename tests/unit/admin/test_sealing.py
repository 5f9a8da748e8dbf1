"""Private keys at rest."""

from __future__ import annotations

import base64
import os

import pytest

from services.admin.ports import KeysUnreadable
from services.admin.store.sealing import Sealer


def key() -> str:
    return base64.urlsafe_b64encode(os.urandom(32)).decode()


def test_what_is_sealed_opens_again_and_shows_nothing() -> None:
    sealer, secret = Sealer(key()), b"a private key" * 10
    sealed = sealer.seal(secret, "kid")
    assert sealer.open(sealed, "kid") == secret
    assert secret not in sealed
    assert sealer.seal(secret, "kid") != sealed


def test_the_key_may_come_without_padding() -> None:
    padded = key()
    assert Sealer(padded.rstrip("=")).open(Sealer(padded).seal(b"x", "kid"), "kid") == b"x"


@pytest.mark.parametrize("harm", ["another key", "another name", "a flipped bit", "cut", "another version", "empty"])
def test_anything_else_does_not_open(harm: str) -> None:
    sealer = Sealer(key())
    sealed = sealer.seal(b"secret", "kid")
    opener = Sealer(key()) if harm == "another key" else sealer
    harmed = {
        "a flipped bit": sealed[:-1] + bytes([sealed[-1] ^ 1]),
        "cut": sealed[:10],
        "another version": b"\x02" + sealed[1:],
        "empty": b"",
    }.get(harm, sealed)
    with pytest.raises(KeysUnreadable, match="another key encryption key"):
        opener.open(harmed, "other" if harm == "another name" else "kid")


@pytest.mark.parametrize("text", ["", "x", "не ключ", base64.urlsafe_b64encode(b"x" * 31).decode(), "!" * 43])
def test_a_key_of_the_wrong_form_is_refused_without_being_shown(text: str) -> None:
    with pytest.raises(KeysUnreadable) as refused:
        Sealer(text)
    assert not text or text not in str(refused.value)
