"""What administrators ask of a storage element, and what it answers."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from gateway.http.schemas.search import Cursor, Limit, Offset
from services.model.elements import ElementInfo, Mode, ReplicaMode, Role
from services.model.files import FileStatus
from services.model.ids import ElementId
from services.model.paging import DEFAULT_LIMIT, PageRequest


class ElementNow(msgspec.Struct, frozen=True):
    """An element as it describes itself at this moment. Sizes in bytes."""

    storage_id: Annotated[str, Meta(description="Its configured name.")]
    element_uuid: Annotated[str, Meta(description="UUID of its directory.")]
    mode: Mode
    mode_revision: Annotated[int, Meta(description="Rises with every change of the mode.")]
    replica_mode: ReplicaMode
    role: Role
    capacity_bytes: int
    used_bytes: int
    available_bytes: Annotated[int, Meta(description="What an upload may still use.")]
    max_file_size: int
    writable: Annotated[bool, Meta(description="False after a disk error, whatever the mode.")]
    files: Annotated[dict[str, int], Meta(description="How many, by status.")]
    version: str


class DiscoveredElement(ElementNow, frozen=True):
    """What answers at an address."""

    element_id: Annotated[str | None, Meta(description="Under which it is registered; null if it is not.")] = None


class ElementFilesQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which of an element's files."""

    status: FileStatus | None = None
    limit: Limit = DEFAULT_LIMIT
    offset: Offset = 0
    cursor: Cursor = ""

    def page(self) -> PageRequest:
        """Raises `ValidationFailed` naming every field that is wrong."""
        page = PageRequest(limit=self.limit, offset=self.offset, cursor=self.cursor)
        page.check()
        return page


class ModeTransition(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Another mode: rw to ro, ro to ar, and ro to rw with `confirm`."""

    target_mode: Mode
    confirm: Annotated[bool, Meta(description="Whether it is really meant; some transitions insist on it.")] = False


def element_now(info: ElementInfo) -> ElementNow:
    """What an administrator sees of what an element says."""
    return ElementNow(**_said(info))


def discovered(info: ElementInfo, element_id: ElementId | None) -> DiscoveredElement:
    """The same of one that is perhaps not registered."""
    return DiscoveredElement(**_said(info), element_id=element_id)


def _said(info: ElementInfo) -> dict[str, Any]:
    same = {name: getattr(info, name) for name in ElementNow.__struct_fields__}
    return same | {"files": {status.value: count for status, count in info.files.items()}}
