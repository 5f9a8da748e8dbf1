"""Entity tags and dates: what they decide."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.http.conditions import Outcome, evaluate, evaluate_tags, expected_revision, http_date, range_applies
from services.model.errors import PreconditionFailed, ValidationFailed

TAG = '"abc"'
MODIFIED = datetime(2026, 11, 21, 1, 30, 0, 999999, tzinfo=UTC)
SAME, EARLIER, LATER = (http_date(MODIFIED + timedelta(seconds=n)) for n in (0, -1, 1))
GO, HAVE, NO = Outcome.PROCEED, Outcome.NOT_MODIFIED, Outcome.FAILED


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, GO),
        ({"if-none-match": TAG}, HAVE),
        ({"if-none-match": 'W/"abc"'}, HAVE),
        ({"if-none-match": '"x", W/"abc"'}, HAVE),
        ({"if-none-match": '"x","abc","y"'}, HAVE),
        ({"if-none-match": " * "}, HAVE),
        ({"if-none-match": '"x"'}, GO),
        ({"if-none-match": "abc"}, GO),
        ({"if-none-match": '"abc'}, GO),
        ({"if-none-match": '"x" "abc"'}, GO),
        ({"if-match": TAG}, GO),
        ({"if-match": "*"}, GO),
        ({"if-match": 'W/"abc"'}, NO),
        ({"if-match": '"x"'}, NO),
        ({"if-match": TAG, "if-none-match": TAG}, HAVE),
        ({"if-match": TAG, "if-unmodified-since": EARLIER}, GO),
        ({"if-unmodified-since": SAME}, GO),
        ({"if-unmodified-since": EARLIER}, NO),
        ({"if-unmodified-since": "never"}, GO),
        ({"if-modified-since": SAME}, HAVE),
        ({"if-modified-since": LATER}, HAVE),
        ({"if-modified-since": EARLIER}, GO),
        ({"if-modified-since": "Sat, 99 Nov 2026 01:30:00 GMT"}, GO),
        ({"if-modified-since": SAME, "if-none-match": '"x"'}, GO),
    ],
)
def test_the_order_of_conditions(headers: dict[str, str], expected: Outcome) -> None:
    assert evaluate(headers, etag=TAG, modified=MODIFIED) is expected


@pytest.mark.parametrize(
    ("if_range", "applies"),
    [(None, True), (TAG, True), ('W/"abc"', False), ('"x"', False), (SAME, True), (EARLIER, False), (LATER, False),
     ("x", False)],
)  # fmt: skip
def test_a_range_applies_to_what_the_client_has(if_range: str | None, applies: bool) -> None:
    assert range_applies(if_range, etag=TAG, modified=MODIFIED) is applies


@given(st.text(), st.text())
def test_nonsense_breaks_nothing(tag: str, date: str) -> None:
    headers = {"if-none-match": tag, "if-unmodified-since": date, "if-modified-since": date}
    assert evaluate(headers, etag=TAG, modified=MODIFIED) in Outcome
    assert range_applies(tag, etag=TAG, modified=MODIFIED) in (True, False)


@pytest.mark.parametrize(
    ("header", "revision"), [(None, 0), ("*", 0), ('"3"', 3), ('W/"3"', 3), ("3", 3), (' "12" ', 12)]
)
def test_if_match_names_a_revision(header: str | None, revision: int) -> None:
    assert expected_revision(header) == revision


@pytest.mark.parametrize("header", ['"0"', '"-1"', '"abc"', "", '"3', "3.5", '"٣"', '"9999999999999999999999"'])
def test_a_tag_that_no_revision_has_fails(header: str) -> None:
    with pytest.raises(PreconditionFailed):
        expected_revision(header)


def test_several_revisions_are_refused() -> None:
    with pytest.raises(ValidationFailed):
        expected_revision('"3", "4"')


def test_dates_are_written_as_the_rfc_wants() -> None:
    assert http_date(MODIFIED) == "Sat, 21 Nov 2026 01:30:00 GMT"


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"if-modified-since": LATER}, Outcome.PROCEED),
        ({"if-unmodified-since": EARLIER}, Outcome.PROCEED),
        ({"if-match": '"x"'}, Outcome.FAILED),
        ({"if-none-match": TAG}, Outcome.NOT_MODIFIED),
    ],
)
def test_without_a_date_of_its_own_only_tags_count(headers: dict[str, str], expected: Outcome) -> None:
    assert evaluate_tags(headers, etag=TAG) is expected
