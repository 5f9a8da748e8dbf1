"""Two processes of one element: one leads, the other reads, and passes on what is not its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from services.model.elements import Mode, ReplicaMode, Role
from services.model.errors import (
    Conflict,
    Forbidden,
    InvalidTransition,
    NotFound,
)
from services.model.files import FileChange, FileStatus, UploadCommit
from services.model.maintenance import ReconcileReport, ScrubReport
from services.model.paging import PageRequest
from tests.doubles.documents import new_id
from tests.service.storage.conftest import ANNA, DATA, chunks, download, temporary, upload
from tests.support.certificates import Certificates
from tests.support.replicas import OPERATOR, Replicas, replicas

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pair(tmp_path_factory: pytest.TempPathFactory, certificates: Certificates) -> AsyncIterator[Replicas]:
    """`a` leads, `b` follows."""
    folder = tmp_path_factory.mktemp("pair")
    async with replicas(folder, certificates, "se-pair", "edit", "a", "b", GC_GRACE="0s") as pair:
        yield pair


async def test_one_leads_and_the_other_follows(pair: Replicas) -> None:
    a, b = await pair.info("a"), await pair.info("b")
    assert (a.role, b.role) == (Role.LEADER, Role.FOLLOWER)
    assert {a.replica_mode, b.replica_mode} == {ReplicaMode.REPLICATED}
    assert b.writable
    assert b.available_bytes > 0
    for name in ("a", "b"):
        health = await pair.processes[name].process.health()
        assert {"filesystem", "wal", "index", "leader"} <= set(health["checks"])
        assert health["status"] == "ok"


async def test_what_goes_in_through_the_follower_comes_back_at_once_through_either(pair: Replicas) -> None:
    file = await upload(pair.client("b", "ingester"), DATA)
    for name in ("a", "b"):
        assert await pair.client(name, "query").file(file.file_id, on_behalf_of=ANNA) == file
        assert await download(pair.client(name, "query"), file.file_id) == DATA
    assert file.uploaded_by == "anna"


async def test_changes_and_refusals_come_through_the_follower_as_from_the_leader(pair: Replicas) -> None:
    ingester, admin = pair.client("b", "ingester"), pair.client("b", "admin")
    new = temporary()
    file = await upload(ingester, b"one", new)
    assert await upload(ingester, b"one", new) == file
    with pytest.raises(Conflict):
        await upload(ingester, b"two", new)
    changed = await ingester.update(file.file_id, FileChange(description="d"), on_behalf_of=ANNA)
    assert (changed.description, changed.revision) == ("d", 2)
    with pytest.raises(NotFound):
        await admin.file(new_id(), on_behalf_of=ANNA)
    with pytest.raises(InvalidTransition):
        await admin.control.transition_mode(Mode.RO, confirm=True, on_behalf_of=OPERATOR)
    deleted = await ingester.delete(file.file_id, on_behalf_of=ANNA)
    assert deleted.deleted_by == "anna"
    done = await admin.control.run_gc(on_behalf_of=OPERATOR)
    assert done.destroyed == 1


async def test_an_upload_by_parts_goes_through_the_follower_the_leader_or_both(pair: Replicas) -> None:
    new = temporary(declared_size=len(DATA))
    through, directly = pair.client("b", "ingester").uploads, pair.client("a", "ingester").uploads
    begun = await through.create(new, on_behalf_of=ANNA)
    assert (begun.offset, begun.completed) == (0, False)
    half = len(DATA) // 2
    first = await through.append(begun.upload_id, 0, chunks(DATA[:half]), on_behalf_of=ANNA)
    assert first.offset == half
    assert (await directly.get(begun.upload_id, on_behalf_of=ANNA)).offset == half
    with pytest.raises(Conflict):
        await through.append(begun.upload_id, 0, chunks(DATA[:half]), on_behalf_of=ANNA)
    with pytest.raises(Forbidden, match="somebody else"):
        await through.get(begun.upload_id, on_behalf_of=OPERATOR)
    await directly.append(begun.upload_id, half, chunks(DATA[half:]), on_behalf_of=ANNA)
    file = await through.complete(begun.upload_id, UploadCommit(len(DATA)), on_behalf_of=ANNA)
    assert file == await directly.complete(begun.upload_id, UploadCommit(len(DATA)), on_behalf_of=ANNA)
    assert file.uploaded_by == "anna"
    for name in ("a", "b"):
        assert await download(pair.client(name, "query"), file.file_id) == DATA
    given_up = await through.create(temporary(), on_behalf_of=ANNA)
    await through.abort(given_up.upload_id, on_behalf_of=ANNA)
    with pytest.raises(NotFound):
        await directly.get(given_up.upload_id, on_behalf_of=ANNA)


async def test_what_is_asked_of_the_follower_about_its_files_the_leader_does(pair: Replicas) -> None:
    file = await upload(pair.client("b", "ingester"), DATA)
    keeping = pair.client("b", "admin").keeping
    scrubbed = [frame async for frame in keeping.scrub(on_behalf_of=OPERATOR)][-1]
    reconciled = [frame async for frame in keeping.reconcile(on_behalf_of=OPERATOR)][-1]
    assert isinstance(scrubbed, ScrubReport)
    assert isinstance(reconciled, ReconcileReport)
    assert scrubbed.files == reconciled.files >= 1
    assert (await keeping.verify(file.file_id, on_behalf_of=OPERATOR)).outcome is FileStatus.ACTIVE
    assert 'se_scrub_runs_total{result="done"}' in await pair.processes["a"].process.metrics()
    assert 'se_scrub_runs_total{result="done"} 0.0' in await pair.processes["b"].process.metrics()


async def test_passing_on_gives_nobody_more_rights(pair: Replicas) -> None:
    for name in ("a", "b"):
        with pytest.raises(Forbidden, match="query"):
            await upload(pair.client(name, "query"), b"x")
        with pytest.raises(Forbidden, match="ingester"):
            await pair.client(name, "ingester").control.run_gc(on_behalf_of=OPERATOR)


async def test_a_follower_lists_what_the_leader_has_taken(pair: Replicas) -> None:
    files = [await upload(pair.client("a", "ingester"), bytes(n)) for n in range(5)]
    here, there = pair.client("b", "admin"), pair.client("a", "admin")
    async with asyncio.timeout(20):
        while files[-1] not in (page := await here.files(None, PageRequest(limit=100), on_behalf_of=ANNA)).items:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    assert page.items == (await there.files(None, PageRequest(limit=100), on_behalf_of=ANNA)).items
    assert (await pair.info("b")).files == (await pair.info("a")).files
