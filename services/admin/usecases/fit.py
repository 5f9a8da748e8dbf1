"""What an element says, before the registry takes it over."""

from __future__ import annotations

from collections.abc import Sequence

from services.admin.domain.registry import Entry
from services.chassis.logs import get_logger
from services.model.errors import ValidationFailed

log = get_logger(__name__)


def fit(entries: Sequence[Entry]) -> list[Entry]:
    """Those that the registry can hold: elements may stand on anybody's host, and one bad file must not hide others."""
    return [entry for entry in entries if _is_fit(entry)]


def _is_fit(entry: Entry) -> bool:
    try:
        entry.check()
    except ValidationFailed as error:
        log.warning("a file is not fit for the registry", file_id=entry.file.file_id, reason=error.message)
        return False
    return True
