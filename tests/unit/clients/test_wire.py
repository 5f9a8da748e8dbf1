"""What crosses the wire comes back as it was; what cannot be understood is refused by its name."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from artstore.query.v1 import query_pb2
from artstore.types.v1 import element_pb2, file_pb2, page_pb2
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from clients import wire
from services.model.elements import Element, ElementInfo, ElementStatus, Mode, ReplicaMode, Role
from services.model.errors import ValidationFailed
from services.model.files import (
    ByteRange,
    DownloadTrailer,
    FileAttributes,
    FileChange,
    FileStatus,
    NewFile,
    RetentionPolicy,
    UploadCommit,
)
from services.model.ids import ElementId, ElementUuid, FileId, StorageId, Subject
from services.model.paging import Page, PageRequest
from services.model.search import SearchHit, SearchMode, SearchRequest, SortKey, SortOrder, TagsMatch

FILE_ID = FileId("0198a6b1-7c00-7000-8000-0123456789ab")
ELEMENT_ID = ElementId("6f2b1c1e-90c8-4b0e-9f59-5a3a3b8f5a11")

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
times = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31)).map(lambda t: t.replace(tzinfo=UTC))  # noqa: DTZ001 - hypothesis wants naive bounds
sizes = st.integers(0, 2**63 - 1)
spans = st.timedeltas(timedelta(0), timedelta(days=400))
leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts
objects = st.dictionaries(texts, leaves | st.lists(leaves, max_size=3), max_size=4)
tags = st.lists(texts, max_size=4).map(tuple)

files = st.builds(
    FileAttributes,
    file_id=st.just(FILE_ID), original_filename=texts, content_type=texts, size=sizes, sha256=texts,
    uploaded_by=texts.map(Subject), uploaded_at=times, updated_at=times, description=texts, tags=tags,
    metadata=objects, ttl=st.none() | spans, expires_at=st.none() | times, deleted_at=st.none() | times,
    deleted_by=st.none() | texts.filter(bool).map(Subject), revision=sizes, epoch=sizes,
)  # fmt: skip
new_files = st.builds(
    NewFile,
    original_filename=texts, content_type=texts.filter(bool), ttl=st.none() | spans, description=texts, tags=tags,
    metadata=objects, declared_size=st.none() | sizes, file_id=st.none() | st.just(FILE_ID),
)  # fmt: skip
changes = st.builds(
    FileChange, description=st.none() | texts, tags=st.none() | tags, metadata=st.none() | objects
)  # fmt: skip
searches = st.builds(
    SearchRequest,
    query=texts, filename=texts, extension=texts, content_type=texts, tags=tags, uploaded_by=texts,
    size_min=st.none() | sizes, size_max=st.none() | sizes, uploaded_after=st.none() | times,
    uploaded_before=st.none() | times, expires_before=st.none() | times, metadata=objects,
    sort=st.none() | st.sampled_from(SortKey), order=st.none() | st.sampled_from(SortOrder),
    page=st.builds(PageRequest, limit=st.integers(1, 1000), offset=st.just(0), cursor=texts),
)  # fmt: skip


@given(files)
def test_a_file_comes_back_as_it_was(file: FileAttributes) -> None:
    assert wire.file_from_proto(wire.file_to_proto(file)) == file


@given(new_files)
def test_a_new_file_comes_back_as_it_was(new_file: NewFile) -> None:
    assert wire.new_file_from_proto(wire.new_file_to_proto(new_file)) == new_file


@given(changes)
def test_a_change_comes_back_as_it_was_and_leaves_alone_what_it_left_alone(change: FileChange) -> None:
    assert wire.change_from_proto(wire.change_to_proto(change)) == change


@given(searches)
def test_a_search_comes_back_as_it_was(request: SearchRequest) -> None:
    assert wire.search_from_proto(wire.search_to_proto(request)) == request


@pytest.mark.parametrize("mode", SearchMode)
@pytest.mark.parametrize("match", TagsMatch)
def test_modes_of_a_search_come_back_as_they_were(mode: SearchMode, match: TagsMatch) -> None:
    request = SearchRequest(mode=mode, tags_match=match)
    assert wire.search_from_proto(wire.search_to_proto(request)) == request


def test_a_search_that_says_nothing_is_the_default_one() -> None:
    assert wire.search_from_proto(query_pb2.SearchRequest()) == SearchRequest()


ELEMENT = Element(
    element_id=ELEMENT_ID, name="Первый", storage_id=StorageId("se-rw-01"), element_uuid=ElementUuid("u"),
    endpoint="127.0.0.1:8010", mode=Mode.RW, status=ElementStatus.DEGRADED,
    status_since=datetime(2026, 11, 21, tzinfo=UTC), replica_mode=ReplicaMode.REPLICATED, role=Role.FOLLOWER,
    capacity_bytes=3, used_bytes=2, available_bytes=1, files=9, version="0.1.0",
    created_at=datetime(2026, 1, 1, tzinfo=UTC), last_seen_at=datetime(2026, 11, 20, tzinfo=UTC), status_reason="full",
)  # fmt: skip
INFO = ElementInfo(
    storage_id=StorageId("se-rw-01"), element_uuid=ElementUuid("u"), mode=Mode.EDIT, mode_revision=4,
    replica_mode=ReplicaMode.STANDALONE, role=Role.LEADER, capacity_bytes=3, used_bytes=2, available_bytes=1,
    max_file_size=7, version="0.1.0", writable=False, files={FileStatus.ACTIVE: 5},
)  # fmt: skip


def test_elements_come_back_as_they_were() -> None:
    assert wire.element_from_proto(wire.element_to_proto(ELEMENT)) == ELEMENT
    assert wire.info_from_proto(wire.info_to_proto(INFO)) == INFO
    assert wire.address_from_proto(wire.address_to_proto(ELEMENT.address)) == ELEMENT.address


def test_a_status_that_a_newer_element_counts_is_left_out() -> None:
    message = wire.info_to_proto(INFO)
    message.files["frozen"] = 3
    assert wire.info_from_proto(message) == INFO


def test_small_things_come_back_as_they_were() -> None:
    for commit in (UploadCommit(5), UploadCommit(5, "ab")):
        assert wire.commit_from_proto(wire.commit_to_proto(commit)) == commit
    for trailer in (DownloadTrailer(5), DownloadTrailer(5, "ab")):
        assert wire.trailer_from_proto(wire.trailer_to_proto(trailer)) == trailer
    assert wire.range_from_proto(wire.range_to_proto(ByteRange(2, 9))) == ByteRange(2, 9)
    page = Page(items=["row"], total=8, has_more=True, next_cursor="c")
    assert wire.page_from_proto(["row"], wire.page_info_to_proto(page)) == page
    assert wire.page_request_from_proto(page_pb2.PageRequest()) == PageRequest()


@pytest.mark.parametrize("status", [*FileStatus, None])
def test_every_status_has_its_number(status: FileStatus | None) -> None:
    assert wire.status_from_proto(wire.status_to_proto(status)) is status


@pytest.mark.parametrize("mode", [*Mode, None])
def test_every_mode_has_its_number(mode: Mode | None) -> None:
    assert wire.mode_from_proto(wire.mode_to_proto(mode)) is mode


@pytest.mark.parametrize("status", [*ElementStatus, None])
def test_every_element_status_has_its_number(status: ElementStatus | None) -> None:
    assert wire.element_status_from_proto(wire.element_status_to_proto(status)) is status


@given(files, st.floats(0, 1))
def test_a_hit_comes_back_as_it_was(file: FileAttributes, score: float) -> None:
    assert wire.hit_from_proto(wire.hit_to_proto(SearchHit(file, score))) == SearchHit(file, score)


def header(**fields: Any) -> file_pb2.NewFile:
    message = file_pb2.NewFile(original_filename="x", retention_policy=file_pb2.RETENTION_POLICY_TEMPORARY)
    message.MergeFrom(file_pb2.NewFile(**fields))
    return message


@pytest.mark.parametrize(
    ("message", "field"),
    [
        (file_pb2.NewFile(original_filename="x"), "retention_policy"),
        (header(retention_policy=99), "retention_policy"),
        (header(file_id="no"), "file_id"),
        (header(metadata_json="{"), "metadata"),
        (header(metadata_json="[1]"), "metadata"),
        (header(metadata_json='{"a": NaN}'), "metadata"),
        (header(metadata_json="[" * 100_000), "metadata"),
        (header(metadata_json='{"a": ' + "9" * 5000 + "}"), "metadata"),
        (header(ttl=Duration(seconds=2**62)), "ttl_days"),
    ],
)
def test_a_header_that_cannot_be_understood_names_its_field(message: file_pb2.NewFile, field: str) -> None:
    with pytest.raises(ValidationFailed) as refused:
        wire.new_file_from_proto(message)
    assert [problem.field for problem in refused.value.details] == [field]


@pytest.mark.parametrize(
    ("message", "field"),
    [
        (query_pb2.SearchRequest(mode=99), "mode"),  # type: ignore[arg-type]  # a newer caller's
        (query_pb2.SearchRequest(sort=99), "sort"),  # type: ignore[arg-type]
        (query_pb2.SearchRequest(metadata_json="7"), "metadata"),
        (query_pb2.SearchRequest(uploaded_after=Timestamp(seconds=2**60)), "uploaded_after"),
        (query_pb2.SearchRequest(page=page_pb2.PageRequest(limit=1001)), "limit"),
        (query_pb2.SearchRequest(page=page_pb2.PageRequest(offset=-1)), "offset"),
        (query_pb2.SearchRequest(page=page_pb2.PageRequest(offset=1, cursor="c")), "cursor"),
    ],
)
def test_a_search_that_cannot_be_understood_names_its_field(message: query_pb2.SearchRequest, field: str) -> None:
    with pytest.raises(ValidationFailed) as refused:
        wire.search_from_proto(message)
    assert [problem.field for problem in refused.value.details] == [field]


@pytest.mark.parametrize(("first", "last"), [(-1, 5), (6, 5), (-2, -1)])
def test_a_range_that_is_none_is_refused(first: int, last: int) -> None:
    with pytest.raises(ValidationFailed):
        wire.range_from_proto(file_pb2.ByteRange(first=first, last=last))


def test_an_address_without_a_proper_storage_id_is_refused() -> None:
    with pytest.raises(ValidationFailed):
        wire.address_from_proto(
            element_pb2.ElementAddress(element_id=ELEMENT_ID, storage_id="UP", endpoint="127.0.0.1:1")
        )


@pytest.mark.parametrize("policy", RetentionPolicy)
def test_every_policy_has_its_number(policy: RetentionPolicy) -> None:
    assert wire.policy_from_proto(wire.policy_to_proto(policy)) is policy
