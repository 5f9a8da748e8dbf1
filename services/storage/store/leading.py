"""Taking charge of an element, in the order that keeps it safe: epoch and fence, then mode and journal."""

from __future__ import annotations

from services.chassis.logs import get_logger
from services.model.clock import Clock
from services.model.ids import Subject
from services.storage.domain.modes import ModeOverride, ModeState, overridden
from services.storage.store import leadership
from services.storage.store.charge import Writing
from services.storage.store.commits import Commits
from services.storage.store.destroyed import DestroyedLog
from services.storage.store.disk import Disk
from services.storage.store.documents import DocumentFiles
from services.storage.store.files import Parts
from services.storage.store.fs import FileSystem
from services.storage.store.health import WriteHealth
from services.storage.store.identity import ElementFile
from services.storage.store.layout import Layout
from services.storage.store.modefile import change_mode, read_mode, write_mode
from services.storage.store.options import Options
from services.storage.store.purging import Purging
from services.storage.store.quarantine import Quarantine
from services.storage.store.restoring import Restoring
from services.storage.store.small import BatchCommits
from services.storage.store.uploads import UploadFiles
from services.storage.store.wal.journal import Journal
from services.storage.store.wal.takeover import JournalOptions, take_over

FIRST_MODE_BY = Subject("SE_MODE")
OVERRIDE_BY = Subject("SE_MODE_OVERRIDE")

log = get_logger(__name__)


def claim(parts: Parts, epoch: int, clock: Clock) -> None:
    """Take an epoch, and keep all earlier ones from writing. Raises `Superseded`, `OSError`; then it is not ours."""
    parts.reserve.begin()
    leadership.claim(parts.fs, parts.layout, epoch)
    leftovers = leadership.fence(parts.fs, parts.layout, epoch, clock.now())
    log.info("an epoch begins", epoch=epoch, leftovers_removed=leftovers)


def take_charge(
    parts: Parts, identity: ElementFile, options: Options, clock: Clock, epoch: int, health: WriteHealth
) -> Writing:
    """What a leadership that was claimed writes with: everything open is settled, the index up to date if it can be.

    Raises `ElementRefused`, `OSError`; then nothing may be written.
    """
    fs, layout, index = parts.fs, parts.layout, parts.index
    disk = Disk(fs, layout, parts.folders, health)
    mode = _mode(fs, layout, epoch, options, clock)
    journal, source = take_over(
        disk, _journal_options(options, layout), index=index, documents=DocumentFiles(fs, layout),
        identity=identity, epoch=epoch, clock=clock,
    )  # fmt: skip
    mode = _overridden(mode, options.mode_override, disk, journal, epoch, clock)
    destroyed = DestroyedLog(disk)
    quarantine = Quarantine(disk, epoch=epoch)
    if removed := quarantine.tidy():
        log.info("empty folders were removed from the quarantine", folders=removed)
    parts.reserve.refill()
    log.info("element opened", storage_id=identity.storage_id, element_uuid=identity.element_uuid, epoch=epoch,
             mode=mode.mode, index_complete=index.complete)  # fmt: skip
    commits = Commits(disk, journal=journal, lookup=parts.lookup, epoch=epoch)
    uploads = UploadFiles(disk, commits=commits, space=parts.space, epoch=epoch)
    if disk.health.writable:
        uploads.load()
    return Writing(
        epoch=epoch,
        disk=disk,
        journal=journal,
        source=source,
        commits=commits,
        batch=BatchCommits(
            disk, journal=journal, commits=commits, lookup=parts.lookup, space=parts.space, syncs=parts.syncs
        ),
        purging=Purging(disk, journal=journal, lookup=parts.lookup, log=destroyed, epoch=epoch),
        uploads=uploads,
        quarantine=quarantine,
        restoring=Restoring(disk, commits=commits, lookup=parts.lookup, quarantine=quarantine),
    )


def _journal_options(options: Options, layout: Layout) -> JournalOptions:
    return JournalOptions(
        options.wal_dir or layout.journal, options.wal_segment, options.wal_reset, options.feed_retention,
        options.feed_max_size, options.restored,
    )  # fmt: skip


def _mode(fs: FileSystem, layout: Layout, epoch: int, options: Options, clock: Clock) -> ModeState:
    kept = read_mode(fs, layout)
    if kept is None:
        kept = ModeState(mode=options.mode, revision=1, changed_at=clock.now(), changed_by=FIRST_MODE_BY)
        write_mode(fs, layout, layout.temporaries(epoch), kept)
    if kept.mode is not options.mode:
        log.info("SE_MODE counts only for a new element", configured=options.mode, mode=kept.mode)
    return kept


def _overridden(
    kept: ModeState, override: ModeOverride | None, disk: Disk, journal: Journal, epoch: int, clock: Clock
) -> ModeState:
    if override is None:
        return kept
    after = overridden(kept, override, by=OVERRIDE_BY, at=clock.now()) if disk.health.writable else None
    if after is None:
        log.info("SE_MODE_OVERRIDE does not apply", mode=kept.mode, revision=kept.revision, wanted=override.revision)
        return kept
    change_mode(disk, journal, epoch, after)
    log.warning("audit: the mode was changed", by=OVERRIDE_BY, at=after.changed_at.isoformat(), was=kept.mode,
                now=after.mode, revision=after.revision)  # fmt: skip
    return after
