from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from services.model.errors import FileDeleted, FileExpired, StorageUnavailable
from services.model.files import FileStatus
from services.model.maintenance import Issue
from services.storage.domain.documents import Document
from services.storage.domain.keeping import Actual, came_back, judged, marked, require_judged, restored, status_after
from services.storage.domain.surveying import Role, Seen, foreign, is_level, kept_of, role
from tests.unit.storage.samples import DIGEST, FILE_ID, NOW, attributes

RIGHT, WRONG = Actual(1048576, DIGEST), Actual(1048576, "0" * 64)
LATER = NOW + timedelta(hours=1)
ENDED = [FileStatus.DELETED, FileStatus.EXPIRED]


def document(status: FileStatus = FileStatus.ACTIVE, version: int = 1, **unknown: Any) -> Document:
    return Document(attributes(status=status), "x", version, unknown)


@pytest.mark.parametrize(
    ("before", "actual", "after"),
    [
        (FileStatus.ACTIVE, RIGHT, FileStatus.ACTIVE),
        (FileStatus.ACTIVE, WRONG, FileStatus.DAMAGED),
        (FileStatus.ACTIVE, replace(RIGHT, size=1), FileStatus.DAMAGED),
        (FileStatus.ACTIVE, None, FileStatus.MISSING),
        (FileStatus.DAMAGED, None, FileStatus.DAMAGED),
        (FileStatus.DAMAGED, RIGHT, FileStatus.ACTIVE),
        (FileStatus.MISSING, WRONG, FileStatus.DAMAGED),
        (FileStatus.MISSING, RIGHT, FileStatus.ACTIVE),
    ],
)
def test_the_bytes_decide_the_status(before: FileStatus, actual: Actual | None, after: FileStatus) -> None:
    present = document(before)
    assert status_after(present.attributes, actual) is after
    done = marked(present, present, actual, LATER)
    assert done.attributes.status is after
    assert (done is present) == (before is after)
    if before is not after:
        assert (done.attributes.revision, done.attributes.updated_at) == (2, LATER)
        known = {"found_at": "2026-11-21T04:40:00.000Z", "actual_sha256": actual.sha256 if actual else None}
        assert done.unknown == ({} if after is FileStatus.ACTIVE else {"damage": known})


def test_bytes_that_were_read_before_a_change_prove_nothing() -> None:
    examined = document()
    for change in ({"revision": 2}, {"epoch": 9}, {"status": FileStatus.DAMAGED}):
        present = replace(examined, attributes=replace(examined.attributes, **change))
        assert marked(present, examined, WRONG, LATER) is present


@pytest.mark.parametrize("status", ENDED)
def test_what_has_ended_stays_ended(status: FileStatus) -> None:
    present = document(status)
    for actual in (RIGHT, WRONG, None):
        assert marked(present, present, actual, LATER) is present
    assert restored(present, LATER).attributes.status is status
    with pytest.raises(FileDeleted if status is FileStatus.DELETED else FileExpired):
        require_judged(present.attributes, LATER)


def test_other_members_stay_and_only_damage_comes_and_goes() -> None:
    present = document(holds=["court"], damage={"found_at": "then"})
    assert set(marked(present, present, WRONG, LATER).unknown) == {"holds", "damage"}
    hurt = replace(present, attributes=replace(present.attributes, status=FileStatus.DAMAGED))
    assert marked(hurt, hurt, RIGHT, LATER).unknown == {"holds": ["court"]}
    assert restored(hurt, LATER).unknown == {"holds": ["court"]}


def test_what_newer_software_wrote_is_not_rewritten() -> None:
    present = document(version=2)
    with pytest.raises(StorageUnavailable):
        marked(present, present, WRONG, LATER)


def test_a_file_that_came_back_is_told_from_another_of_its_id() -> None:
    found = document(FileStatus.DAMAGED)
    back = restored(found, LATER)
    assert came_back(replace(back, attributes=replace(back.attributes, epoch=9)), found)
    assert not came_back(replace(back, attributes=replace(back.attributes, description="other")), found)
    assert not came_back(replace(back, attributes=replace(back.attributes, revision=5)), found)


def test_judging_bytes_compares_size_and_digest() -> None:
    assert judged(attributes(), RIGHT) is FileStatus.ACTIVE
    assert judged(attributes(), WRONG) is FileStatus.DAMAGED


NAME = f"report_anna_20261121T034000_{FILE_ID}.pdf"


@pytest.mark.parametrize(
    ("name", "folder", "expected"),
    [
        (NAME, "2026/11/21/03", Role.DATA),
        (f"{NAME}.attr.json", "2026/11/21/03", Role.ATTRIBUTES),
        (NAME, "2026/11/21/04", Role.STRANGE),
        (f"{NAME}.attr.json", "2020/01/01/00", Role.STRANGE),
        ("README.txt", "2026/11/21/03", Role.STRANGE),
        ("x.attr.json", "2026/11/21/03", Role.STRANGE),
        (f".{NAME}.attr.json.sealing", "2026/11/21/03", Role.STRANGE),
    ],
)
def test_a_name_counts_only_in_the_folder_of_its_hour(name: str, folder: str, expected: Role) -> None:
    assert role(name, folder)[0] is expected


@pytest.mark.parametrize(
    ("name", "depth", "belongs"),
    [("2026", 0, True), ("13", 1, False), ("12", 1, True), ("31", 2, True), ("23", 3, True), ("24", 3, False),
     ("00", 4, False), ("notes", 0, False)],
)  # fmt: skip
def test_folders_are_years_months_days_and_hours(name: str, depth: int, belongs: bool) -> None:
    assert is_level(name, depth) is belongs


def test_what_is_foreign_says_why() -> None:
    assert "NFS" in foreign("2026/11/21/03/.nfs0001").detail
    assert "2026/11/21/03" in foreign(f"2020/01/01/00/{NAME}", FILE_ID).detail
    assert foreign("README").issue is Issue.FOREIGN


def test_of_several_attributes_the_highest_revision_counts() -> None:
    first = Seen(document(), 1)
    second = Seen(replace(document(), attributes=attributes(revision=2)), None)
    assert kept_of([first, second]) is kept_of([second, first]) is second
