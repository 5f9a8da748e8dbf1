"""A real element looks after its files: reads them again, reconciles, sets aside and puts back."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from artstore.storage.v1 import storage_pb2

from clients.storage import StorageClient
from services.model.errors import Conflict, FileDamaged, Forbidden, ModeNotAllowed, NotFound
from services.model.feed import Change, ChangeKind, FeedPosition
from services.model.files import FileStatus
from services.model.ids import FileId, QuarantineId
from services.model.maintenance import Issue, ReconcileProgress, ReconcileReport, ScrubProgress, ScrubReport
from services.model.paging import PageRequest
from tests.service.storage.conftest import eventually
from tests.service.storage.test_running_modes import ANNA, DATA, Ground, upload
from tests.support.elements import RunningElement
from tests.support.storage_store import tree

PATIENCE = 20.0


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    return Ground(tmp_path)


def data_of(element: RunningElement, file_id: FileId) -> Path:
    [found] = [path for path in (element.data / "files").rglob(f"*{file_id}*") if not path.name.endswith(".attr.json")]
    return found


def attributes_of(element: RunningElement, file_id: FileId) -> Path:
    [found] = (element.data / "files").rglob(f"*{file_id}*.attr.json")
    return found


async def reconciled(admin: StorageClient, *, quick: bool = False) -> ReconcileReport:
    frames = [frame async for frame in admin.keeping.reconcile(quick=quick, on_behalf_of=ANNA)]
    assert all(isinstance(frame, ReconcileProgress) for frame in frames[:-1])
    assert isinstance(frames[-1], ReconcileReport)
    return frames[-1]


async def test_reconcile_on_request_finds_planted_damage_of_each_kind_and_destroys_none_of_it(ground: Ground) -> None:
    async with (
        ground.running() as element,
        ground.asked(element) as admin,
        ground.asked(element, "ingester") as ingester,
    ):
        good, orphan, missing, mismatch, corrupt = [await upload(ingester) for _ in range(5)]
        assert (await reconciled(admin)).counts == dict.fromkeys(Issue, 0)
        hour = data_of(element, good).parent
        aside = element.data / "aside"
        aside.mkdir()
        attributes_of(element, orphan).rename(aside / "attributes of the orphan")
        data_of(element, missing).rename(aside / "bytes of the missing one")
        data_of(element, mismatch).write_bytes(b"#" + DATA[1:])
        text = attributes_of(element, corrupt)
        text.write_bytes(text.read_bytes().replace(b'"anna"', b'"olga"'))
        copy = attributes_of(element, good)
        copy.with_name(copy.name.replace("_anna_", "_olga_")).write_bytes(copy.read_bytes())
        (hour / "link").symlink_to("/etc/passwd")
        (hour / "README.txt").write_text("mine")
        before = sorted(data for path, data in tree(element.data).items() if path.startswith("files/"))

        report = await reconciled(admin)

        # An orphan whose attributes are gone is also a row of the index that lost its file.
        assert report.counts == {
            Issue.ORPHANED: 1, Issue.MISSING: 2, Issue.MISMATCH: 1, Issue.CORRUPT: 1, Issue.DUPLICATE: 1,
            Issue.SYMLINK: 1, Issue.FOREIGN: 1,
        }  # fmt: skip
        left = [data for path, data in tree(element.data).items() if path.startswith(("files/", "quarantine/"))]
        marked = 2  # whose attributes say now that they are missing, or damaged
        assert sum(data not in left for data in before) == marked
        kinds = {item.kind for item in (await admin.keeping.quarantine(PageRequest(), on_behalf_of=ANNA)).items}
        assert kinds == {"orphaned", "damaged", "corrupt", "duplicate"}
        assert (await admin.file(missing, on_behalf_of=ANNA)).status is FileStatus.MISSING
        assert (await admin.file(mismatch, on_behalf_of=ANNA)).status is FileStatus.DAMAGED
        assert await read(admin, good) == DATA
        metrics = await element.process.metrics()
        assert 'se_reconcile_runs_total{result="done"} 2.0' in metrics
        for issue, count in report.counts.items():
            assert f'se_reconcile_issues_total{{type="{issue}"}} {float(count)}' in metrics


async def read(client: StorageClient, file_id: FileId) -> bytes:
    async with client.download(file_id, None, on_behalf_of=ANNA) as download:
        frames = [storage_pb2.DownloadResponse.FromString(frame) async for frame in download.frames()]
    return b"".join(frame.chunk for frame in frames)


async def followed(client: StorageClient, since: FeedPosition | None, count: int) -> list[Change]:
    """So many changes from there on."""
    told: list[Change] = []
    async with asyncio.timeout(PATIENCE), client.feed.watch(since, on_behalf_of=ANNA) as frames:
        async for frame in frames:
            if isinstance(frame, Change):
                told.append(frame)
            if len(told) == count:
                break
    return told


async def damaged(client: StorageClient, file_id: FileId) -> None:
    """Return when that is written down, which the element does without being asked."""
    async with asyncio.timeout(PATIENCE):
        while (await client.file(file_id, on_behalf_of=ANNA)).status is not FileStatus.DAMAGED:  # noqa: ASYNC110 - see above
            await asyncio.sleep(0.02)


async def test_what_a_reader_finds_damaged_is_written_down_and_comes_back_from_a_good_copy(ground: Ground) -> None:
    async with (
        ground.running() as element,
        ground.asked(element) as admin,
        ground.asked(element, "ingester") as ingester,
    ):
        file_id = await upload(ingester)
        since = (await admin.files(None, PageRequest(limit=1), on_behalf_of=ANNA)).position
        data_of(element, file_id).write_bytes(b"#" + DATA[1:])
        with pytest.raises(FileDamaged):
            await read(admin, file_id)
        await damaged(admin, file_id)
        await admin.keeping.verify(file_id, on_behalf_of=ANNA)  # which waits until the bytes have been moved
        [item] = (await admin.keeping.quarantine(PageRequest(), on_behalf_of=ANNA)).items
        with pytest.raises(Conflict, match="not those that the attributes name"):
            await admin.keeping.restore(item.item_id, on_behalf_of=ANNA)
        (element.data / "quarantine" / item.item_id / item.names[0]).write_bytes(DATA)
        restored = await admin.keeping.restore(item.item_id, on_behalf_of=ANNA)
        assert restored.status is FileStatus.ACTIVE
        assert await read(admin, file_id) == DATA
        with pytest.raises(NotFound):
            await admin.keeping.restore(item.item_id, on_behalf_of=ANNA)
        found = await admin.keeping.verify(file_id, on_behalf_of=ANNA)
        assert (found.outcome, found.actual_size) == (FileStatus.ACTIVE, len(DATA))
        told = await followed(admin, since, 2)
        assert [(change.kind, change.file_id) for change in told] == [
            (ChangeKind.DAMAGED, file_id),
            (ChangeKind.RESTORED, file_id),
        ]


async def test_the_scrub_finds_damage_without_a_reader(ground: Ground) -> None:
    async with ground.running() as element, ground.asked(element, "ingester") as ingester:
        file_id = await upload(ingester)
        data_of(element, file_id).write_bytes(b"#" + DATA[1:])
    async with ground.running(SCRUB_PERIOD="1s") as element, ground.asked(element) as admin:
        await damaged(admin, file_id)
        await eventually((element.data / "scrub.json").exists)
        metrics = await element.process.metrics()
        assert 'se_scrub_files_total{result="damaged"} 1.0' in metrics
        assert "se_scrub_oldest_unverified_seconds " in metrics


async def test_the_scrub_on_request_finds_planted_damage_at_once(ground: Ground) -> None:
    async with (
        ground.running(SCRUB_PERIOD="7d") as element,
        ground.asked(element) as admin,
        ground.asked(element, "ingester") as ingester,
    ):
        good, wrong, gone = [await upload(ingester) for _ in range(3)]
        data_of(element, wrong).write_bytes(b"#" + DATA[1:])
        data_of(element, gone).unlink()
        frames = [frame async for frame in admin.keeping.scrub(on_behalf_of=ANNA)]
        report = frames[-1]
        assert isinstance(report, ScrubReport)
        assert frames[0] == ScrubProgress(0, 3, 0, 0)
        assert {issue: count for issue, count in report.counts.items() if count} == {
            Issue.MISMATCH: 1, Issue.MISSING: 1,
        }  # fmt: skip
        assert {each.file_id for each in report.findings} == {wrong, gone}
        assert (await admin.file(wrong, on_behalf_of=ANNA)).status is FileStatus.DAMAGED
        assert (await admin.file(gone, on_behalf_of=ANNA)).status is FileStatus.MISSING
        assert await read(admin, good) == DATA
        assert 'se_scrub_runs_total{result="done"}' in await element.process.metrics()


async def test_who_may_ask(ground: Ground) -> None:
    async with ground.running("ar") as element, ground.asked(element) as admin, ground.asked(element, "query") as query:
        nobody = FileId("0198c0de-0000-7000-8000-000000000000")
        with pytest.raises(ModeNotAllowed):
            await query.keeping.verify(nobody, on_behalf_of=ANNA)
        with pytest.raises(ModeNotAllowed):
            await admin.keeping.restore(QuarantineId("20261121T034000_x"), on_behalf_of=ANNA)
        assert (await reconciled(admin)).files == 0
        with pytest.raises(ModeNotAllowed):
            await anext(aiter(admin.keeping.scrub(on_behalf_of=ANNA)))
        for refused in (
            query.keeping.quarantine(PageRequest(), on_behalf_of=ANNA),
            query.keeping.restore(QuarantineId("20261121T034000_x"), on_behalf_of=ANNA),
            anext(aiter(query.keeping.reconcile(on_behalf_of=ANNA))),
            anext(aiter(query.keeping.scrub(on_behalf_of=ANNA))),
        ):
            with pytest.raises(Forbidden):
                await refused
