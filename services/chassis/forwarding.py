"""Calls that one process of a service passes on to another process of the same one.

The certificate of whoever passes it on says which service he is of; for whom he does it is in the call's metadata, and
so is the module that asked him: it, and not he, must be one that may make the call. This is believed only between
processes with the same name in their certificates, since these could do everything to their data anyway.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from services.model.errors import Forbidden
from services.model.ids import StorageId

FORWARDED_FOR: Final = "artstore-forwarded-for"
"""Metadata key: the module that made the call which is passed on."""
REPLICATED: Final = "storage"
"""The module whose processes pass calls on."""


def origin(
    metadata: Mapping[str, str], module: str, storage_id: StorageId | None, *, replica_of: StorageId | None
) -> tuple[str, bool]:
    """The module that makes a call, and whether it was passed on.

    `module`, `storage_id`: of the verified certificate; `replica_of`: the element that this process serves, if any.
    Raises `Forbidden` for another element, and for anybody else who passes a call on.
    """
    named = metadata.get(FORWARDED_FOR)
    if replica_of is not None and module == REPLICATED and storage_id != replica_of:
        raise Forbidden("a storage element answers no other one")
    if named is None:
        return module, False
    if replica_of is None or module != REPLICATED or named == REPLICATED:
        raise Forbidden(f"a caller with the certificate of {module} may not pass calls on")
    return named, True
