from __future__ import annotations

from datetime import UTC, datetime

import pytest

from services.model.elements import Mode
from services.model.errors import ConfirmationRequired, InvalidTransition, ModeNotAllowed, ValidationFailed
from services.model.files import RetentionPolicy
from services.model.ids import Subject
from services.storage.domain.modes import (
    PERMITTED,
    ModeOverride,
    ModeState,
    Operation,
    overridden,
    parse_override,
    require,
    require_policy,
    transition,
)

TABLE = {
    #           upload download update delete read collect verify
    Mode.EDIT: (True, True, True, True, True, True, True),
    Mode.RW: (True, True, True, False, True, True, True),
    Mode.RO: (False, True, False, False, True, False, True),
    Mode.AR: (False, False, False, False, True, False, False),
}
"""As the product describes it, written down a second time."""
COLUMNS = (
    Operation.UPLOAD, Operation.DOWNLOAD, Operation.UPDATE, Operation.DELETE, Operation.READ, Operation.COLLECT,
    Operation.VERIFY,
)  # fmt: skip
PLAIN, CONFIRMED = {(Mode.RW, Mode.RO), (Mode.RO, Mode.AR)}, {(Mode.RO, Mode.RW)}
ANNA = Subject("anna")
NOW = datetime(2026, 11, 21, 3, 40, 0, 123456, tzinfo=UTC)


def kept(mode: Mode, revision: int = 3) -> ModeState:
    return ModeState(mode, revision, NOW, Subject("SE_MODE"))


@pytest.mark.parametrize("confirmed", [False, True])
@pytest.mark.parametrize("target", Mode)
@pytest.mark.parametrize("present", Mode)
def test_exactly_the_transitions_of_the_product_exist(present: Mode, target: Mode, confirmed: bool) -> None:
    step = (present, target)
    if step in PLAIN or (step in CONFIRMED and confirmed):
        after = transition(kept(present), target, confirmed=confirmed, by=ANNA, at=NOW)
        assert after == ModeState(target, 4, NOW.replace(microsecond=123000), ANNA)
    else:
        refusal = ConfirmationRequired if step in CONFIRMED else InvalidTransition
        with pytest.raises(refusal, match=f"{present}.*{target}"):
            transition(kept(present), target, confirmed=confirmed, by=ANNA, at=NOW)


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("revision", [2, 3, 4])
def test_an_override_applies_once_and_only_out_of_ar(mode: Mode, revision: int) -> None:
    after = overridden(kept(mode), ModeOverride(Mode.RW, revision), by=ANNA, at=NOW)
    if mode is Mode.AR and revision == 3:
        assert after is not None
        assert (after.mode, after.revision) == (Mode.RW, 4)
        assert overridden(after, ModeOverride(Mode.RW, revision), by=ANNA, at=NOW) is None
    else:
        assert after is None


def test_an_override_names_a_mode_and_a_revision() -> None:
    assert parse_override("ro@17") == ModeOverride(Mode.RO, 17)


@pytest.mark.parametrize("text", ["", "rw", "rw@", "rw@x", "rw@-1", "edit@1", "ar@1", "RW@1", "rw@1@2", "rw@١"])
def test_what_is_no_override_is_refused(text: str) -> None:
    with pytest.raises(ValidationFailed, match="mode_override"):
        parse_override(text)


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("operation", Operation)
def test_a_mode_permits_exactly_what_the_product_says(mode: Mode, operation: Operation) -> None:
    if TABLE[mode][COLUMNS.index(operation)]:
        require(mode, operation)
    else:
        with pytest.raises(ModeNotAllowed, match=f"{mode}.*{operation}"):
            require(mode, operation)


def test_the_table_is_total() -> None:
    assert set(PERMITTED) == set(Mode)


def test_edit_takes_temporary_files_only() -> None:
    require_policy(Mode.EDIT, RetentionPolicy.TEMPORARY)
    with pytest.raises(ModeNotAllowed):
        require_policy(Mode.EDIT, RetentionPolicy.PERMANENT)


@pytest.mark.parametrize("mode", [Mode.RW, Mode.RO, Mode.AR])
def test_temporary_files_belong_nowhere_else(mode: Mode) -> None:
    with pytest.raises(ModeNotAllowed):
        require_policy(mode, RetentionPolicy.TEMPORARY)
