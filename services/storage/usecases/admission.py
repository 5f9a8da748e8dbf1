"""What is asked of every new file before any byte of it is taken."""

from __future__ import annotations

from datetime import datetime

from services.model.errors import ValidationFailed
from services.model.files import NewFile
from services.model.ids import FileId, Subject
from services.storage.domain import changes, uploads
from services.storage.domain.documents import check_room
from services.storage.domain.modes import Operation, require_policy
from services.storage.usecases.mode_gate import ModeGate


def admitted(new: NewFile, *, gate: ModeGate, by: Subject, at: datetime) -> FileId:
    """The id of a file that may come in, as far as its header tells.

    Raises `ValidationFailed`, `ModeNotAllowed`, `MetadataTooLarge`.
    """
    new.check()
    if new.file_id is None:
        raise ValidationFailed.of("file_id", "is required")
    gate.require(Operation.UPLOAD)
    require_policy(gate.mode, new.retention_policy)
    uploads.check_new_id(new.file_id, at)
    check_room(changes.created(new, file_id=new.file_id, size=0, sha256="", by=by, at=at))
    return new.file_id
