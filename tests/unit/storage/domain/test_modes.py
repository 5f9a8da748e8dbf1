from __future__ import annotations

import pytest

from services.model.elements import Mode
from services.model.errors import ModeNotAllowed
from services.model.files import RetentionPolicy
from services.storage.domain.modes import PERMITTED, Operation, require, require_policy

TABLE = {
    #           upload download update delete read
    Mode.EDIT: (True, True, True, True, True),
    Mode.RW: (True, True, True, False, True),
    Mode.RO: (False, True, False, False, True),
    Mode.AR: (False, False, False, False, True),
}
"""As the product describes it, written down a second time."""


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("operation", Operation)
def test_a_mode_permits_exactly_what_the_product_says(mode: Mode, operation: Operation) -> None:
    columns = (Operation.UPLOAD, Operation.DOWNLOAD, Operation.UPDATE, Operation.DELETE, Operation.READ)
    if TABLE[mode][columns.index(operation)]:
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
