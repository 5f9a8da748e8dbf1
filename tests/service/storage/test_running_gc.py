"""A real element that collects its garbage: a short-lived file ends at its instant, and its bytes go."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from clients.storage import StorageClient
from services.model.errors import FileDeleted, FileExpired, ModeNotAllowed
from services.model.files import FileAttributes, FileStatus, NewFile, RetentionPolicy
from services.model.ids import FileId
from services.model.paging import PageRequest
from tests.doubles.documents import new_id
from tests.service.storage.test_running_keeping import data_of
from tests.service.storage.test_running_modes import ANNA, COMMIT, DATA, Ground, frames


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    return Ground(tmp_path)


async def draft(client: StorageClient, ttl: timedelta) -> FileAttributes:
    new = NewFile("a.pdf", RetentionPolicy.TEMPORARY, ttl=ttl, file_id=FileId(new_id()))
    async with client.upload(new, on_behalf_of=ANNA) as stream:
        await stream.send(frames())
        return await stream.commit(COMMIT)


async def downloaded(client: StorageClient, file_id: FileId) -> int:
    async with client.download(file_id, None, on_behalf_of=ANNA) as download:
        return len([frame async for frame in download.frames()])


async def test_a_file_is_refused_at_its_instant_and_its_bytes_go_with_the_next_pass(ground: Ground) -> None:
    async with (
        ground.running("edit", GC_GRACE="0s", GC_INTERVAL="1h") as element,
        ground.asked(element) as admin,
        ground.asked(element, "ingester") as ingester,
    ):
        short, deleted, kept = [await draft(ingester, timedelta(seconds=each)) for each in (1, 3600, 3600)]
        await ingester.delete(deleted.file_id, on_behalf_of=ANNA)
        assert short.expires_at is not None
        await asyncio.sleep((short.expires_at - datetime.now(UTC)).total_seconds() + 0.01)
        with pytest.raises(FileExpired):
            await downloaded(admin, short.file_id)
        assert len(element.kept()) == 3, "nothing has gone yet"
        done = await admin.control.run_gc(on_behalf_of=ANNA)
        assert (done.expired, done.destroyed, done.freed, done.refused) == (1, 2, 2 * len(DATA), "")
        assert len(element.kept()) == 1
        assert element.leftovers() == []
        with pytest.raises(FileExpired):
            await admin.file(short.file_id, on_behalf_of=ANNA)
        with pytest.raises(FileDeleted):
            await admin.file(deleted.file_id, on_behalf_of=ANNA)
        assert (await admin.file(kept.file_id, on_behalf_of=ANNA)).status is FileStatus.ACTIVE
        log = "".join(path.read_text() for path in (element.data / "destroyed").rglob("*.jsonl"))
        lines = {line["file_id"]: line for line in map(json.loads, log.splitlines())}
        assert (lines[deleted.file_id]["why"], lines[deleted.file_id]["by"]) == ("deleted", "anna")
        assert (lines[short.file_id]["why"], lines[short.file_id]["by"]) == ("expired", None)
        metrics = await element.process.metrics()
        assert "se_gc_files_deleted_total 2.0" in metrics
        assert 'se_gc_runs_total{result="done"}' in metrics


async def test_a_draft_ends_in_its_time_whatever_has_become_of_its_bytes(ground: Ground) -> None:
    async with (
        ground.running("edit", GC_GRACE="0s", GC_INTERVAL="1h") as element,
        ground.asked(element) as admin,
        ground.asked(element, "ingester") as ingester,
    ):
        damaged, missing, kept = [await draft(ingester, timedelta(seconds=each)) for each in (3, 3, 3600)]
        for file in (damaged, kept):
            data_of(element, file.file_id).write_bytes(b"#" + DATA[1:])
        data_of(element, missing.file_id).unlink()
        assert missing.expires_at is not None
        for file, status in ((damaged, "damaged"), (missing, "missing"), (kept, "damaged")):
            assert (await admin.keeping.verify(file.file_id, on_behalf_of=ANNA)).outcome == status
        await asyncio.sleep((missing.expires_at - datetime.now(UTC)).total_seconds() + 0.01)
        done = await admin.control.run_gc(on_behalf_of=ANNA)
        assert (done.expired, done.destroyed, done.failed) == (2, 2, 0)
        for file in (damaged, missing):
            with pytest.raises(FileExpired):
                await admin.file(file.file_id, on_behalf_of=ANNA)
        assert (await admin.file(kept.file_id, on_behalf_of=ANNA)).status is FileStatus.DAMAGED
        aside = (await admin.keeping.quarantine(PageRequest(), on_behalf_of=ANNA)).items
        assert {item.file_id for item in aside} == {damaged.file_id, kept.file_id}, "what was set aside stays"


async def test_ro_destroys_nothing(ground: Ground) -> None:
    async with ground.running("ro") as element, ground.asked(element) as admin:
        with pytest.raises(ModeNotAllowed):
            await admin.control.run_gc(confirm_clock=True, on_behalf_of=ANNA)


async def test_within_the_grace_nothing_goes(ground: Ground) -> None:
    async with ground.running("edit", GC_GRACE="1h") as element, ground.asked(element) as admin:
        async with ground.asked(element, "ingester") as ingester:
            file = await draft(ingester, timedelta(hours=1))
            await ingester.delete(file.file_id, on_behalf_of=ANNA)
        done = await admin.control.run_gc(on_behalf_of=ANNA)
        assert (done.destroyed, done.refused) == (0, "")
        assert (await admin.file(file.file_id, on_behalf_of=ANNA)).status is FileStatus.DELETED
        assert len(element.kept()) == 1
