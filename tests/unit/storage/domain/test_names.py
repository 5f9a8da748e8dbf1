from __future__ import annotations

import unicodedata
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.model.ids import FileId, Subject
from services.storage.domain.names import (
    MAX_BYTES,
    attributes_filename,
    data_filename,
    file_id_in,
    folder_of,
    ids_in,
    storage_filename,
)
from tests.unit.storage.samples import FILE_ID, OTHER_ID

AT = datetime(2026, 11, 21, 1, 30, tzinfo=UTC)


def name_of(original: str, user: str = "ivanov") -> str:
    return storage_filename(original, user=Subject(user), at=AT, file_id=FILE_ID)


def test_a_name_says_what_it_was_whose_and_when() -> None:
    assert name_of("report.pdf") == f"report_ivanov_20261121T013000_{FILE_ID}.pdf"


@given(st.text(min_size=1), st.text(min_size=1))
def test_any_name_of_any_user_becomes_a_safe_one(original: str, user: str) -> None:
    name = name_of(original, user)
    assert len(name.encode()) <= MAX_BYTES
    assert not set(name) & set('/\\:*?"<>|\0')
    assert not name.startswith((".", " "))
    assert all(unicodedata.category(c) not in {"Cc", "Cf", "Cs", "Zl", "Zp"} for c in name)
    assert f"_{FILE_ID}" in name


@given(st.text(min_size=1), st.text(min_size=1))
def test_the_id_is_found_again_in_any_name(original: str, user: str) -> None:
    assert file_id_in(attributes_filename(name_of(original, user))) == FILE_ID
    assert file_id_in(name_of(original, user)) is None, "the data are not taken for attributes"


@pytest.mark.parametrize(
    ("original", "begins", "ends"),
    [
        ("../../etc/passwd", "__.._etc_passwd_", ""),
        (".hidden", "_hidden_", ""),
        ("con.txt", "con_", ".txt"),
        ("archive.tar.gz", "archive.tar_", ".gz"),
        ("no extension", "no extension_", ""),
        ("ends with a dot.", "ends with a dot_", ""),
        ("a.b c", "a.b c_", ""),
        ("\u202egpj.exe", "_gpj_", ".exe"),
        ("tab\tname.txt", "tab_name_", ".txt"),
        ("x." + "e" * 16, "x.eeeeeeeeeeeeeeee_", ""),
        ("x." + "e" * 15, "x_", "." + "e" * 15),
        ("Договор №7.pdf", "Договор №7_", ".pdf"),
        (f"evil_{OTHER_ID}.pdf.attr.json", f"evil_{OTHER_ID}.pdf.attr_", ".json"),
    ],
)
def test_names_that_were_meant_to_surprise(original: str, begins: str, ends: str) -> None:
    name = name_of(original)
    assert name.startswith(begins)
    assert name.endswith(f"_{FILE_ID}{ends}")


def test_a_long_name_is_cut_at_a_character() -> None:
    name = name_of("ы" * 300 + ".pdf", user="п" * 100)
    stem, user, *_ = name.split("_")
    assert set(stem) == {"ы"}
    assert user == "п" * 20
    assert len(name.encode()) in (MAX_BYTES - 1, MAX_BYTES)


def test_the_attributes_lie_beside_the_data() -> None:
    assert attributes_filename("a.pdf") == "a.pdf.attr.json"
    assert data_filename("a.pdf.attr.json") == "a.pdf"


@pytest.mark.parametrize(
    "name", ["notes.attr.json", f"x_{FILE_ID}.attr", f"{FILE_ID}.attr.json", f"x_{FILE_ID.upper()}.attr.json", ""]
)
def test_foreign_names_have_no_id(name: str) -> None:
    assert file_id_in(name) is None


def test_the_folder_is_the_hour_inside_the_id() -> None:
    assert folder_of(FILE_ID) == "2026/11/21/03"


@given(st.integers(0, 253_402_300_799_999), st.integers(-3_600_000, 3_600_000))
def test_ids_of_an_hour_lie_between_its_bounds_and_no_others(milliseconds: int, apart: int) -> None:
    def id_at(moment: int) -> FileId:
        text = f"{min(max(moment, 0), 253_402_300_799_999):012x}"
        return FileId(f"{text[:8]}-{text[8:]}-7000-8293-a3283c33ca50")

    folder, other = folder_of(id_at(milliseconds)), id_at(milliseconds + apart)
    first, end = ids_in(folder)
    assert first <= id_at(milliseconds) < end
    assert (first <= other < end) == (folder_of(other) == folder)


@pytest.mark.parametrize("folder", ["", "lost", "2026/11/21", "2026/1/21/03", "2026/11/21/24", "1969/12/31/23"])
def test_no_id_lies_in_a_folder_that_is_none_of_an_hour(folder: str) -> None:
    first, end = ids_in(folder)
    assert not first <= FILE_ID < end


def test_an_id_beyond_the_year_9999_has_no_folder() -> None:
    with pytest.raises(OverflowError):
        folder_of(FileId("ffffffff-ffff-7fff-bfff-ffffffffffff"))
