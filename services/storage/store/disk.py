"""What everything that writes stands on."""

from __future__ import annotations

from dataclasses import dataclass

from services.storage.store.durable import Folders
from services.storage.store.fs import FileSystem
from services.storage.store.health import WriteHealth
from services.storage.store.layout import Layout


@dataclass(frozen=True, slots=True)
class Disk:
    """The element's directory, held under its lock."""

    fs: FileSystem
    layout: Layout
    folders: Folders
    health: WriteHealth
