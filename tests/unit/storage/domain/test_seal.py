from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.storage.domain.seal import CorruptDocument, parse, seal, unseal
from tests.unit.storage.samples import json_values, texts

MEMBERS = {"name": "Договор №7", "tags": ["a"], "n": 3, "nothing": None}

objects = st.dictionaries(texts, json_values, min_size=1, max_size=5).filter(lambda each: set(each) != {"attr_sha256"})


@given(objects)
def test_what_was_sealed_is_read_again(members: dict[str, object]) -> None:
    members.pop("attr_sha256", None)
    assert unseal(seal(members)) == members


def test_the_seal_covers_every_byte_before_it() -> None:
    text = seal(MEMBERS)
    before, _, after = text.partition(b',"attr_sha256":"')
    assert after.rstrip() == hashlib.sha256(before).hexdigest().encode() + b'"}'
    assert json.loads(text)["name"] == "Договор №7"


def test_a_shell_can_check_it(tmp_path: Path) -> None:
    path = tmp_path / "x.attr.json"
    path.write_bytes(seal(MEMBERS))
    command = """sed 's/,"attr_sha256":"[0-9a-f]*"}$//' "$1" | tr -d '\\n' | sha256sum"""
    found = subprocess.run(["sh", "-c", command, "sh", path], capture_output=True, check=True, text=True)
    assert found.stdout.split()[0] == json.loads(path.read_bytes())["attr_sha256"]


@given(st.integers(0), st.integers(0, 7))
def test_no_flipped_bit_goes_unnoticed(position: int, bit: int) -> None:
    text = bytearray(seal(MEMBERS))
    position %= len(text)
    text[position] ^= 1 << bit
    if position == len(text) - 1:
        return  # the line end is not part of the document; a flipped one is noticed or harmless
    with pytest.raises(CorruptDocument):
        unseal(bytes(text))


@pytest.mark.parametrize("cut", range(1, 80, 7))
def test_a_cut_document_is_corrupt(cut: int) -> None:
    with pytest.raises(CorruptDocument):
        unseal(seal(MEMBERS)[: -cut - 1])


def test_an_object_without_a_seal_is_corrupt() -> None:
    with pytest.raises(CorruptDocument, match="does not end with a seal"):
        unseal(b'{"a":1}\n')


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"{",
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":1e999}',
        b"\xff",
        b'{"a":"\\ud800"}',
        b'{"a":' + b"[" * 50_000,
    ],
)
def test_what_is_no_json_object_is_corrupt(text: bytes) -> None:
    with pytest.raises(CorruptDocument):
        parse(text)


def test_an_old_seal_is_dropped() -> None:
    assert seal({**MEMBERS, "attr_sha256": "old"}) == seal(MEMBERS)
