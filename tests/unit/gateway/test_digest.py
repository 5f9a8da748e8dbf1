"""Declared digests: read strictly, others left alone."""

from __future__ import annotations

import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.http.digest import declared_sha256, repr_digest
from services.model.errors import ValidationFailed

DIGEST = hashlib.sha256(b"x").digest()
ENCODED = base64.b64encode(DIGEST).decode()


def declared(*values: str | None) -> str | None:
    return declared_sha256([("Repr-Digest", value) for value in values])


@pytest.mark.parametrize(
    "value",
    [
        f"sha-256=:{ENCODED}:",
        f"  sha-256=:{ENCODED}:  ",
        f"sha-512=:AAAA:,sha-256=:{ENCODED}:",
        f"sha-256=:{ENCODED}: , \t md5=:AAAA:",
        f"sha-256=:AAAA:, sha-256=:{ENCODED}:",
        f"sha-256=:{ENCODED}:;a=1;b",
    ],
)
def test_a_sha256_is_found(value: str) -> None:
    assert declared(value) == DIGEST.hex()


@pytest.mark.parametrize("value", [None, "", "sha-512=:AAAA:", "unixsum=:AA==:"])
def test_others_are_left_alone(value: str | None) -> None:
    assert declared(value) is None


@pytest.mark.parametrize(
    "value",
    ["sha-256", "sha-256=abc", "sha-256=:AAAA:", f"sha-256=:{ENCODED[:-1]}:", f"SHA-256=:{ENCODED}:", "x",
     f"sha-256=:{ENCODED}:,", f"sha-256=:{ENCODED}: sha-512=:AAAA:", f"sha-256=:{ENCODED}", ",", "=:AAAA:",
     f"sha-256=:{base64.urlsafe_b64encode(bytes([255] * 32)).decode()}:"],
)  # fmt: skip
def test_what_is_malformed_is_refused_by_its_name(value: str) -> None:
    with pytest.raises(ValidationFailed) as refused:
        declared(value)
    assert [problem.field for problem in refused.value.details] == ["Repr-Digest"]


def test_two_that_agree_are_one_and_two_that_differ_are_refused() -> None:
    other = base64.b64encode(hashlib.sha256(b"y").digest()).decode()
    assert declared(f"sha-256=:{ENCODED}:", None, f"sha-256=:{ENCODED}:") == DIGEST.hex()
    with pytest.raises(ValidationFailed):
        declared(f"sha-256=:{ENCODED}:", f"sha-256=:{other}:")


@given(st.binary(min_size=32, max_size=32))
def test_what_is_written_can_be_read(digest: bytes) -> None:
    assert declared(repr_digest(digest.hex())) == digest.hex()


@given(st.text())
def test_nonsense_is_refused_or_left_alone(value: str) -> None:
    try:
        found = declared(value)
    except ValidationFailed:
        return
    assert found is None or len(found) == 64
