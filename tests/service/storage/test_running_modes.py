"""A real element's mode: changed while it runs, kept over restarts, and the one way out of `ar`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from clients.frames import encode_chunk
from clients.storage import StorageClient, StoragePool
from services.chassis.caller import Identity
from services.model.elements import Mode
from services.model.errors import ConfirmationRequired, Forbidden, InvalidTransition, ModeNotAllowed, NotFound
from services.model.files import NewFile, RetentionPolicy, UploadCommit
from services.model.ids import FileId, Subject
from tests.doubles.documents import new_id
from tests.support.certificates import Certificates
from tests.support.elements import RunningElement

ANNA = Identity(Subject("anna"), frozenset({"files:read", "files:write", "storage:read", "storage:write"}))
DATA = b"%PDF-1.7 forever"


class Ground:
    """One element on a disk that outlives its process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.certificates = Certificates(folder / "tls")

    @asynccontextmanager
    async def running(self, mode: str = "rw", **settings: str) -> AsyncIterator[RunningElement]:
        element = await RunningElement.start(self.folder, self.certificates, "se-1", mode, **settings)
        try:
            yield element
        finally:
            element.process.stop()

    @asynccontextmanager
    async def asked(self, element: RunningElement, module: str = "admin") -> AsyncIterator[StorageClient]:
        """Its client with the certificate of that module."""
        async with StoragePool(self.certificates.module(module)) as pool:
            yield pool.client(element.address)

    def kept(self) -> dict[str, object]:
        members: dict[str, object] = json.loads((self.folder / "se-1" / "mode.json").read_text())
        return members


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    return Ground(tmp_path)


def document() -> NewFile:
    return NewFile("a.pdf", RetentionPolicy.PERMANENT, declared_size=len(DATA), file_id=FileId(new_id()))


async def frames() -> AsyncIterator[bytes]:
    yield encode_chunk(DATA)


COMMIT = UploadCommit(len(DATA), hashlib.sha256(DATA).hexdigest())


async def upload(client: StorageClient) -> FileId:
    new = document()
    async with client.upload(new, on_behalf_of=ANNA) as stream:
        await stream.send(frames())
        return (await stream.commit(COMMIT)).file_id


async def test_a_mode_changes_while_the_element_runs_and_stays(ground: Ground) -> None:
    async with (
        ground.running() as element,
        ground.asked(element) as admin,
        ground.asked(element, "ingester") as ingester,
    ):
        file_id = await upload(ingester)
        with pytest.raises(InvalidTransition):
            await admin.control.transition_mode(Mode.EDIT, confirm=True, on_behalf_of=ANNA)
        info = await admin.control.transition_mode(Mode.RO, confirm=False, on_behalf_of=ANNA)
        assert (info.mode, info.mode_revision) == (Mode.RO, 2)
        with pytest.raises(ModeNotAllowed):
            await upload(ingester)
        with pytest.raises(ConfirmationRequired):
            await admin.control.transition_mode(Mode.RW, confirm=False, on_behalf_of=ANNA)
        kept = ground.kept()
        assert (kept["mode"], kept["revision"], kept["changed_by"]) == ("ro", 2, "anna")
        line = next(line for line in element.process.log.splitlines() if "audit" in line)
        assert "anna" in line
        assert str(kept["changed_at"])[:19] in line
    async with ground.running() as element, ground.asked(element) as admin:
        assert (await admin.info(on_behalf_of=ANNA)).mode is Mode.RO
        info = await admin.control.transition_mode(Mode.RW, confirm=True, on_behalf_of=ANNA)
        assert (info.mode, info.mode_revision) == (Mode.RW, 3)
        async with ground.asked(element, "ingester") as ingester:
            await upload(ingester)
        assert (await admin.file(file_id, on_behalf_of=ANNA)).file_id == file_id


async def test_an_upload_under_way_does_not_commit_after_the_change(ground: Ground) -> None:
    async with (
        ground.running() as element,
        ground.asked(element) as admin,
        ground.asked(element, "ingester") as ingester,
    ):
        new = document()
        assert new.file_id is not None
        async with ingester.upload(new, on_behalf_of=ANNA) as stream:
            await stream.send(frames())
            await admin.control.transition_mode(Mode.RO, confirm=False, on_behalf_of=ANNA)
            with pytest.raises(ModeNotAllowed):
                await stream.commit(COMMIT)
        with pytest.raises(NotFound):
            await admin.file(new.file_id, on_behalf_of=ANNA)
        assert element.kept() == set()
        assert element.leftovers() == []


async def test_ar_serves_attributes_only_and_only_an_override_leads_out_once(ground: Ground) -> None:
    async with ground.running() as element, ground.asked(element) as admin:
        async with ground.asked(element, "ingester") as ingester:
            file_id = await upload(ingester)
        await admin.control.transition_mode(Mode.RO, confirm=False, on_behalf_of=ANNA)
        info = await admin.control.transition_mode(Mode.AR, confirm=False, on_behalf_of=ANNA)
        assert (info.mode, info.mode_revision) == (Mode.AR, 3)
        assert (await admin.file(file_id, on_behalf_of=ANNA)).size == len(DATA)
        with pytest.raises(ModeNotAllowed):
            async with admin.download(file_id, None, on_behalf_of=ANNA):
                pass
        for target in Mode:
            with pytest.raises(InvalidTransition):
                await admin.control.transition_mode(target, confirm=True, on_behalf_of=ANNA)
    async with ground.running(MODE_OVERRIDE="rw@2") as element, ground.asked(element) as admin:
        assert (await admin.info(on_behalf_of=ANNA)).mode is Mode.AR
    async with ground.running(MODE_OVERRIDE="rw@3") as element, ground.asked(element) as admin:
        assert (await admin.info(on_behalf_of=ANNA)).mode is Mode.RW
        assert ground.kept()["changed_by"] == "SE_MODE_OVERRIDE"
        for target in (Mode.RO, Mode.AR):
            await admin.control.transition_mode(target, confirm=False, on_behalf_of=ANNA)
    async with ground.running(MODE_OVERRIDE="rw@3") as element, ground.asked(element) as admin:
        info = await admin.info(on_behalf_of=ANNA)
        assert (info.mode, info.mode_revision) == (Mode.AR, 6)


async def test_only_admin_with_the_scope_changes_the_mode(ground: Ground) -> None:
    async with ground.running() as element:
        for module, scope in (("ingester", "storage:write"), ("query", "storage:write"), ("admin", "storage:read")):
            user = Identity(Subject("anna"), frozenset({scope}))
            async with ground.asked(element, module) as client:
                with pytest.raises(Forbidden):
                    await client.control.transition_mode(Mode.RO, confirm=False, on_behalf_of=user)
        assert ground.kept()["mode"] == "rw"
