"""What a look at an element means for its status."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import timedelta

import pytest

from services.admin.domain.elements import Health, Silence, check_info, heard, silent
from services.model.elements import ElementStatus, Mode
from services.model.errors import ValidationFailed
from services.model.files import FileStatus
from services.model.ids import ElementUuid
from tests.support.admin_things import NOW, info, record

ONLINE, DEGRADED, OFFLINE = ElementStatus.ONLINE, ElementStatus.DEGRADED, ElementStatus.OFFLINE
LATER = NOW + timedelta(seconds=5)
PATIENCE = timedelta(seconds=15)


def test_what_it_says_is_kept() -> None:
    said = info(used_bytes=42, mode=Mode.RO)
    assert heard(record(), said, LATER) == replace(record(), info=said, last_seen_at=LATER)


@pytest.mark.parametrize(
    ("mode", "writable", "status"),
    [
        (Mode.RW, True, ONLINE),
        (Mode.EDIT, False, DEGRADED),
        (Mode.RW, False, DEGRADED),
        (Mode.RO, False, ONLINE),
        (Mode.AR, False, ONLINE),
    ],
)
def test_one_that_should_write_and_cannot_is_degraded(mode: Mode, writable: bool, status: ElementStatus) -> None:
    assert heard(record(), info(mode=mode, writable=writable), LATER).health.status is status


@pytest.mark.parametrize("before", [OFFLINE, DEGRADED])
def test_one_that_is_well_again_is_online_since_now_and_without_reason(before: ElementStatus) -> None:
    assert heard(record("se", before, "trouble"), info("se"), LATER).health == Health(ONLINE, LATER)


def test_since_when_does_not_move_while_the_status_stays() -> None:
    assert heard(record(), info(), LATER).health == Health(ONLINE, NOW)
    gone = record("se", OFFLINE, "it does not answer in time")
    assert silent(gone, Silence.UNREACHABLE, LATER, patience=PATIENCE).health == Health(
        OFFLINE, NOW, "it cannot be reached"
    )


@pytest.mark.parametrize(
    "impostor", [info("se-rw-02"), info("se-rw-01", element_uuid=ElementUuid(str(uuid.uuid4())))], ids=["id", "uuid"]
)
def test_another_element_in_its_place_is_not_believed(impostor: object) -> None:
    after = heard(record("se-rw-01"), impostor, LATER)  # type: ignore[arg-type]
    assert after == replace(record("se-rw-01"), health=Health(OFFLINE, LATER, "another element answers in its place"))


@pytest.mark.parametrize("silence", [Silence.UNREACHABLE, Silence.NONSENSE])
def test_one_that_is_not_reached_is_offline_at_once_and_keeps_what_it_said(silence: Silence) -> None:
    after = silent(record(), silence, LATER, patience=PATIENCE)
    assert (after.health.status, after.health.since) == (OFFLINE, LATER)
    assert after.health.reason
    assert replace(after, health=record().health) == record()


def test_one_that_is_slow_is_borne_with_for_a_while() -> None:
    almost = NOW + PATIENCE - timedelta(milliseconds=1)
    assert silent(record(), Silence.SLOW, almost, patience=PATIENCE) == record()
    after = silent(record(), Silence.SLOW, NOW + PATIENCE, patience=PATIENCE)
    assert after.health == Health(OFFLINE, NOW + PATIENCE, "it does not answer in time")


@pytest.mark.parametrize(
    "nonsense",
    [
        info(element_uuid=ElementUuid("")),
        info(element_uuid=ElementUuid("{0706e15a-324b-5f79-854f-dd19d9d7bd8a}")),
        info(capacity_bytes=-1),
        info(files={FileStatus.ACTIVE: -1}),
        info(version="1\0"),
        info(version="x" * 101),
    ],
)
def test_nonsense_is_not_kept(nonsense: object) -> None:
    with pytest.raises(ValidationFailed):
        check_info(nonsense)  # type: ignore[arg-type]


def test_sense_is() -> None:
    check_info(info())
