"""`mode.json`: what the element permits. Sealed, replaced whole.

    {"mode":"rw","revision":1,"changed_at":"…","changed_by":"…","attr_sha256":"…"}

SE_MODE counts only where there is none. `changed_by` is whoever asked for the change, or the setting that made it.
"""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from pathlib import Path

from services.model.elements import Mode
from services.model.errors import ArtStoreError, StorageFull
from services.model.ids import Subject
from services.storage.domain.modes import ModeState
from services.storage.domain.seal import seal
from services.storage.store.charge import Charge
from services.storage.store.disk import Disk
from services.storage.store.durable import SyncNames, forget, open_folder, write_file
from services.storage.store.fs import FileSystem
from services.storage.store.health import FULL, full
from services.storage.store.layout import Layout
from services.storage.store.pool import Pool
from services.storage.store.refusal import ElementRefused
from services.storage.store.reserve import Reserve
from services.storage.store.sealed import read_sealed
from services.storage.store.wal.journal import Journal


def read_mode(fs: FileSystem, layout: Layout) -> ModeState | None:
    """The mode that was kept; None if none was yet. Raises `ElementRefused` if it cannot be trusted."""
    members = read_sealed(fs, layout.mode)
    if members is None:
        return None
    try:
        return ModeState(
            mode=Mode(members["mode"]),
            revision=int(members["revision"]),
            changed_at=datetime.fromisoformat(members["changed_at"]),
            changed_by=Subject(str(members["changed_by"])),
        )
    except (KeyError, ValueError, TypeError) as error:
        raise ElementRefused(f"{layout.mode} is not understood: {error!r}") from error


def encode_mode(state: ModeState) -> bytes:
    """The text of `mode.json`."""
    changed_at = state.changed_at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return seal(
        {"mode": state.mode, "revision": state.revision, "changed_at": changed_at, "changed_by": state.changed_by}
    )


def write_mode(fs: FileSystem, layout: Layout, temporaries: Path, state: ModeState) -> None:
    """Keep a mode durably. `temporaries`: the folder of the present epoch. Raises `OSError`."""
    temporary = temporaries / f"mode.{state.revision}.json"
    with open_folder(fs, layout.root) as sync:
        write_file(fs, temporary, encode_mode(state))
        fs.rename(temporary, layout.mode)
        sync()


class ModeFile:
    """Fills `ports.Modes`."""

    def __init__(self, charge: Charge, *, reserve: Reserve, writes: Pool) -> None:
        self._charge, self._reserve, self._writes = charge, reserve, writes

    async def keep(self, state: ModeState) -> None:
        await self._writes.run(self._reserve.spending, self._keep, state)

    def _keep(self, state: ModeState) -> None:
        writing = self._charge.writing
        change_mode(writing.disk, writing.journal, writing.epoch, state)


def change_mode(disk: Disk, journal: Journal, epoch: int, state: ModeState) -> None:
    """Replace the mode by its next revision: a transaction of the journal, so that the change feed tells it.

    Raises `StorageFull`, `StorageUnavailable`.
    """
    fs, layout, health = disk.fs, disk.layout, disk.health
    temporary = layout.temporaries(epoch) / f"mode.{state.revision}.json"
    with contextlib.ExitStack() as held:
        with health.preparing():
            sync = held.enter_context(open_folder(fs, layout.root))
            write_file(fs, temporary, encode_mode(state))
        try:
            tx = journal.begin_mode(state.revision)
        except ArtStoreError:
            forget(fs, temporary)
            raise
        try:
            with health.committing():
                _replace(fs, layout, temporary, sync)
        except StorageFull:
            journal.abort(tx)
            forget(fs, temporary)
            raise
    journal.commit_mode(tx, state)


def _replace(fs: FileSystem, layout: Layout, temporary: Path, sync: SyncNames) -> None:
    try:
        fs.rename(temporary, layout.mode)
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise full() from error
    sync()
