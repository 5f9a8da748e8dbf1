"""The words of every process: what they accept, and what they say of the rest."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import pytest
import uuid_utils
from hypothesis import given
from hypothesis import strategies as st

from services.model.elements import parse_endpoint, parse_storage_id
from services.model.errors import ERRORS, ErrorCode, ValidationFailed
from services.model.files import FileAttributes, FileChange, FileStatus, NewFile, RetentionPolicy, unique
from services.model.ids import Subject, file_id_time, parse_file_id
from services.model.paging import PageRequest
from services.model.search import SearchRequest
from tests.doubles.clock import FakeClock


def test_every_code_has_its_class() -> None:
    assert set(ERRORS) == set(ErrorCode)
    assert all(cls.code is code for code, cls in ERRORS.items())


def fields_of(error: ValidationFailed) -> set[str]:
    return {problem.field for problem in error.details}


def test_a_file_id_tells_its_instant() -> None:
    before = datetime.now(UTC)
    made = file_id_time(parse_file_id(str(uuid_utils.uuid7())))
    assert abs(made - before) < timedelta(seconds=1)


def test_a_file_id_is_canonical() -> None:
    text = str(uuid_utils.uuid7())
    assert parse_file_id(text.upper()) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not-an-id",
        "../../etc/passwd",
        str(uuid.UUID(int=0)),
        "3f1c2a8e-5b0d-4c6e-9a57-1d2e3f405162",  # of version 4
        "{0198c0de-0000-7000-8000-000000000000}",
        "0198c0de000070008000000000000000",
        "0198c0de-0000-7000-8000-00000000000g",
        "０198c0de-0000-7000-8000-000000000000",
    ],
)
def test_no_other_text_is_a_file_id(text: str) -> None:
    with pytest.raises(ValidationFailed):
        parse_file_id(text)


def new(**changes: object) -> NewFile:
    given: dict[str, object] = {
        "original_filename": "Договор №7.pdf", "retention_policy": RetentionPolicy.TEMPORARY, **changes,
    }  # fmt: skip
    return NewFile(**given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "ы" * 500, 'quo"te.txt', "tab\tname", "line\nbreak", "\u202egpj.exe", ".", "con.txt"]
)
def test_any_name_but_nul_is_kept(name: str) -> None:
    new(original_filename=name).check()


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("filename", {"original_filename": ""}),
        ("filename", {"original_filename": "a\0b"}),
        ("filename", {"original_filename": "x" * 1025}),
        ("filename", {"original_filename": "\ud800"}),
        ("content_type", {"content_type": "text/plain\r\nX-Evil: 1"}),
        ("content_type", {"content_type": "текст"}),
        ("ttl_days", {"ttl": timedelta(0)}),
        ("ttl_days", {"ttl": timedelta(days=366)}),
        ("ttl_days", {"ttl": timedelta(days=1), "retention_policy": RetentionPolicy.PERMANENT}),
        ("description", {"description": "\0"}),
        ("tags", {"tags": ("",)}),
        ("tags", {"tags": tuple(str(n) for n in range(101))}),
        ("metadata", {"metadata": {"a": float("nan")}}),
        ("metadata", {"metadata": {"a": "\0"}}),
        ("metadata", {"metadata": {"\ud800": 1}}),
        ("size", {"declared_size": -1}),
    ],
)
def test_what_is_wrong_is_named(field: str, change: dict[str, object]) -> None:
    with pytest.raises(ValidationFailed) as refusal:
        new(**change).check()
    assert fields_of(refusal.value) == {field}


def test_all_that_is_wrong_is_named_at_once() -> None:
    with pytest.raises(ValidationFailed) as refusal:
        new(original_filename="", ttl=timedelta(0), tags=("",)).check()
    assert fields_of(refusal.value) == {"filename", "ttl_days", "tags"}


def test_a_backslash_before_u0000_is_no_nul() -> None:
    new(metadata={"path": "C:\\u0000"}).check()


@given(st.text(alphabet=st.sampled_from('a\0\\u0"')))
def test_metadata_is_refused_exactly_when_it_holds_nul(text: str) -> None:
    try:
        new(metadata={"k": [text]}).check()
        accepted = True
    except ValidationFailed:
        accepted = False
    assert accepted is ("\0" not in text)


def test_a_change_must_change_something() -> None:
    FileChange(description="").check()
    with pytest.raises(ValidationFailed):
        FileChange().check()


def test_a_file_is_expired_from_its_instant_on() -> None:
    now = FakeClock().now()
    file = FileAttributes(
        file_id=parse_file_id(str(uuid_utils.uuid7())),
        original_filename="a",
        content_type="text/plain",
        size=1,
        sha256="0" * 64,
        uploaded_by=Subject("sa"),
        uploaded_at=now,
        updated_at=now,
        expires_at=now + timedelta(seconds=1),
        retention_policy=RetentionPolicy.TEMPORARY,
    )
    assert file.status_at(now) is FileStatus.ACTIVE
    assert file.status_at(now + timedelta(seconds=1)) is FileStatus.EXPIRED


def test_tags_are_kept_in_order_and_once() -> None:
    assert unique(("b", "a", "b")) == ("b", "a")


@pytest.mark.parametrize(
    ("field", "page"),
    [
        ("limit", PageRequest(limit=0)),
        ("limit", PageRequest(limit=1001)),
        ("offset", PageRequest(offset=-1)),
        ("cursor", PageRequest(offset=1, cursor="x")),
    ],
)
def test_a_page_has_limits(field: str, page: PageRequest) -> None:
    with pytest.raises(ValidationFailed) as refusal:
        SearchRequest(page=page).check()
    assert fields_of(refusal.value) == {field}


@pytest.mark.parametrize("query", ["x" * 501, "a\0"])
def test_a_query_has_limits(query: str) -> None:
    with pytest.raises(ValidationFailed) as refusal:
        SearchRequest(query=query).check()
    assert fields_of(refusal.value) == {"query"}


@pytest.mark.parametrize("text", ["se-rw-01", "a", "0", "x" * 63])
def test_a_storage_id_is_a_dns_label(text: str) -> None:
    assert parse_storage_id(text) == text


@pytest.mark.parametrize("text", ["", "-a", "a-", "A", "a_b", "a.b", "a/../b", "x" * 64, "é", "a\n"])
def test_nothing_else_is(text: str) -> None:
    with pytest.raises(ValidationFailed):
        parse_storage_id(text)


@pytest.mark.parametrize("text", ["localhost:1", "127.0.0.1:8010", "[::1]:8010", "se-1.example.org:65535"])
def test_an_endpoint_is_host_and_port(text: str) -> None:
    assert parse_endpoint(text) == text


@pytest.mark.parametrize(
    "text",
    ["", "host", ":80", "host:", "host:0", "host:65536", "::1:80", "host:8o", "http://h:80", "h:80/x", "h h:1", "h:１"],
)
def test_no_other_text_is(text: str) -> None:
    with pytest.raises(ValidationFailed):
        parse_endpoint(text)
