"""Whose call it is that was passed on."""

from __future__ import annotations

import pytest

from services.chassis.forwarding import FORWARDED_FOR, origin
from services.model.errors import Forbidden
from services.model.ids import StorageId

OWN, OTHER = StorageId("se-1"), StorageId("se-2")


def test_a_call_that_was_not_passed_on_is_its_caller_s() -> None:
    assert origin({}, "ingester", None, replica_of=OWN) == ("ingester", False)
    assert origin({}, "storage", OWN, replica_of=OWN) == ("storage", False)
    assert origin({}, "gateway", None, replica_of=None) == ("gateway", False)


def test_a_replica_passes_on_what_another_module_asked() -> None:
    assert origin({FORWARDED_FOR: "ingester"}, "storage", OWN, replica_of=OWN) == ("ingester", True)


@pytest.mark.parametrize(
    ("module", "storage_id", "replica_of"),
    [("storage", OTHER, OWN), ("storage", None, OWN), ("ingester", None, OWN), ("storage", OWN, None),
     ("admin", None, None)],
)  # fmt: skip
def test_nobody_else_passes_anything_on(
    module: str, storage_id: StorageId | None, replica_of: StorageId | None
) -> None:
    with pytest.raises(Forbidden):
        origin({FORWARDED_FOR: "ingester"}, module, storage_id, replica_of=replica_of)


def test_what_was_passed_on_is_never_passed_on_again() -> None:
    with pytest.raises(Forbidden):
        origin({FORWARDED_FOR: "storage"}, "storage", OWN, replica_of=OWN)


def test_another_element_is_not_heard_at_all() -> None:
    with pytest.raises(Forbidden):
        origin({}, "storage", OTHER, replica_of=OWN)
