from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from services.model.errors import MetadataTooLarge, StorageUnavailable, ValidationFailed
from services.model.files import FileAttributes, FileStatus, RetentionPolicy
from services.model.ids import Subject
from services.storage.domain import documents
from services.storage.domain.documents import Document, caller_bytes, check_room, decode, deleter, encode
from services.storage.domain.names import storage_filename
from services.storage.domain.seal import CorruptDocument, seal
from tests.unit.storage.samples import DIGEST, NOW, any_attributes, attributes, texts

GOLDEN = Path(__file__).parent.parent / "golden" / "v1"


def document(**changes: object) -> Document:
    return Document(attributes(**changes), "x.pdf")


@given(any_attributes())
def test_a_document_is_read_as_it_was_written(file: FileAttributes) -> None:
    written = seal(documents._members(Document(file, "x.pdf")))
    assert decode(written) == Document(file, "x.pdf")


@given(any_attributes(), st.data())
def test_what_the_system_adds_later_always_fits(file: FileAttributes, data: st.DataObject) -> None:
    file = replace(file, revision=1, epoch=0, status=FileStatus.ACTIVE, deleted_at=None, deleted_by=None)
    assume(caller_bytes(file) <= documents.MAX_CALLER_BYTES)
    latest = datetime(9999, 12, 31, 23, 59, 59, 999000, tzinfo=UTC)
    grown = replace(
        file,
        size=2**63 - 1,
        revision=2**63 - 1,
        epoch=2**63 - 1,
        updated_at=latest,
        status=FileStatus.MISSING,  # as long as "damaged" and "deleted"
        deleted_at=latest,
        deleted_by=deleter(Subject(data.draw(texts) + 'ы\\"\x01' * 300)),
    )
    name = storage_filename(file.original_filename + "ы" * 200, user=Subject("ы" * 99), at=NOW, file_id=file.file_id)
    damage = {"damage": {"found_at": "9999-12-31T23:59:59.999Z", "actual_sha256": DIGEST}}
    assert len(encode(Document(grown, name, unknown=damage))) <= documents.MAX_BYTES


def test_even_a_document_filled_to_the_last_byte_can_be_deleted() -> None:
    file = attributes()
    file = replace(file, description="x" * (documents.MAX_CALLER_BYTES - caller_bytes(file)))
    check_room(file)
    with pytest.raises(MetadataTooLarge):
        check_room(replace(file, description=file.description + "x"))
    deleted = replace(
        file, status=FileStatus.DELETED, deleted_at=NOW, deleted_by=deleter(Subject("s" * 999)), revision=2**63 - 1
    )
    assert len(encode(Document(deleted, "n" * 200))) <= documents.MAX_BYTES


@given(any_attributes())
def test_the_verdict_is_the_same_before_the_bytes_as_after_a_deletion(file: FileAttributes) -> None:
    before = replace(file, size=0, sha256="", revision=1, epoch=0, status=FileStatus.ACTIVE)
    before = replace(before, deleted_at=None, deleted_by=None)
    assert caller_bytes(before) == caller_bytes(file)


def test_bytes_count_not_characters() -> None:
    with pytest.raises(MetadataTooLarge, match="at most 3584"):
        check_room(attributes(description="ы" * 2000))
    check_room(attributes(description="y" * 2000))


def test_metadata_may_not_nest_without_end() -> None:
    nested: object = 1
    for _ in range(documents.MAX_DEPTH - 1):
        nested = [nested]
    check_room(attributes(metadata={"a": nested}))
    with pytest.raises(ValidationFailed, match="metadata"):
        check_room(attributes(metadata={"a": [nested]}))
    for _ in range(100_000):
        nested = [nested]
    with pytest.raises(ValidationFailed, match="metadata"):
        check_room(attributes(metadata={"a": nested}))


def test_a_deleters_name_is_cut_at_a_character() -> None:
    assert deleter(Subject("anna")) == "anna"
    assert deleter(Subject("ы" * 500)) == "ы" * 120
    assert deleter(Subject('a"b\\c\x01d')) == "a_b_c_d"


@pytest.mark.parametrize(
    ("ttl", "written"),
    [(timedelta(days=30), 30), (timedelta(days=1, hours=12), 1.5), (timedelta(seconds=90), 90 / 86400)],
)
def test_a_time_to_live_is_written_in_days(ttl: timedelta, written: float) -> None:
    file = attributes(ttl=ttl, expires_at=NOW + ttl)
    text = encode(Document(file, "x.pdf"))
    assert json.loads(text)["ttl_days"] == written
    assert decode(text).attributes == file


def test_unknown_members_are_kept() -> None:
    text = seal({**json.loads(encode(document())), "colour": {"of": ["the", "lid"]}, "holds": [1]})
    read = decode(text)
    assert read.unknown == {"colour": {"of": ["the", "lid"]}, "holds": [1]}
    again = encode(read.changed(replace(read.attributes, revision=2)))
    assert json.loads(again)["colour"] == {"of": ["the", "lid"]}
    assert json.loads(again)["revision"] == 2


def test_a_later_version_is_served_but_not_changed() -> None:
    read = decode(seal({**json.loads(encode(document())), "schema_version": 2, "new": True}))
    assert read.attributes == attributes()
    with pytest.raises(StorageUnavailable, match="newer version"):
        read.changed(replace(read.attributes, revision=2))


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("schema_version", 0),
        ("schema_version", "1"),
        ("schema_version", True),
        ("file_id", "no id"),
        ("file_id", "f47ac10b-58cc-4372-a567-0e02b2c3d479"),
        ("revision", 0),
        ("revision", 1.5),
        ("revision", 2**63),
        ("size", -1),
        ("size", None),
        ("sha256", "A" * 64),
        ("sha256", "0" * 63),
        ("uploaded_at", "yesterday"),
        ("uploaded_at", "2026-11-21T01:30:00"),
        ("tags", "a"),
        ("tags", [1]),
        ("metadata", []),
        ("status", "lost"),
        ("retention_policy", "eternal"),
        ("ttl_days", "30"),
        ("ttl_days", 1e300),
        ("deleted_by", 7),
        ("storage_filename", "../../etc/passwd"),
        ("storage_filename", ".."),
        ("storage_filename", ""),
    ],
)
def test_a_sealed_document_with_a_wrong_member_is_corrupt(member: str, value: object) -> None:
    with pytest.raises(CorruptDocument, match="not a document of version 1"):
        decode(seal({**json.loads(encode(document())), member: value}))


@pytest.mark.parametrize("member", [name for name in json.loads(encode(document())) if name != "attr_sha256"])
def test_a_sealed_document_without_a_member_is_corrupt(member: str) -> None:
    members = json.loads(encode(document()))
    del members[member]
    with pytest.raises(CorruptDocument):
        decode(seal(members))


EXPECTED = {
    "permanent": attributes(
        retention_policy=RetentionPolicy.PERMANENT,
        ttl=None,
        expires_at=None,
        tags=("договор", "2026"),
        metadata={"counterparty": "ООО «Ромашка»", "amount": 12345678901234567890, "rate": 0.1},
        description="оригинал",
    ),
    "temporary": attributes(ttl=timedelta(seconds=90), expires_at=NOW + timedelta(seconds=90), size=0),
    "deleted": attributes(
        status=FileStatus.DELETED,
        deleted_at=NOW + timedelta(hours=1, milliseconds=7),
        deleted_by=Subject("boss"),
        updated_at=NOW + timedelta(hours=1, milliseconds=7),
        revision=3,
        epoch=12,
    ),
    "unknown_members": attributes(),
}
UNKNOWN = {"unknown_members": {"holds": ["case 12"], "x_colour": None}}


@pytest.mark.parametrize("name", EXPECTED)
def test_documents_that_version_1_wrote_are_read_for_ever(name: str) -> None:
    [path] = (GOLDEN / name).glob("*.attr.json")
    read = decode(path.read_bytes())
    assert read.attributes == EXPECTED[name]
    assert read.unknown == UNKNOWN.get(name, {})
    assert path.name == f"{read.storage_filename}.attr.json"


@pytest.mark.parametrize("name", EXPECTED)
def test_version_1_still_writes_them_byte_for_byte(name: str) -> None:
    [path] = (GOLDEN / name).glob("*.attr.json")
    read = decode(path.read_bytes())
    assert encode(Document(EXPECTED[name], read.storage_filename, unknown=UNKNOWN.get(name, {}))) == path.read_bytes()


@given(any_attributes(), st.text(max_size=500))
def test_what_is_not_written_out_to_be_measured_would_fit(file: FileAttributes, description: str) -> None:
    file = replace(file, description=description.encode(errors="ignore").decode())
    if documents._fits_anyhow(file):
        assert caller_bytes(file) <= documents.MAX_CALLER_BYTES


def test_a_document_that_says_nothing_takes_less_than_is_reckoned_with() -> None:
    latest = datetime(9999, 12, 31, 23, 59, 59, 999000, tzinfo=UTC)
    empty = attributes(
        original_filename="", content_type="", uploaded_by=Subject(""), description="", tags=(), metadata={},
        uploaded_at=latest, updated_at=latest, expires_at=latest, ttl=timedelta(days=364, microseconds=999_999),
    )  # fmt: skip
    assert caller_bytes(empty) <= documents._BARE_BYTES
    control = replace(empty, description="\x01" * 100, tags=("\x01",) * 100)
    assert (
        caller_bytes(control) - caller_bytes(empty) <= 200 * documents._LONGEST_CHARACTER + 100 * documents._AROUND_TEXT
    )
