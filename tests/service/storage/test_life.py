"""Starts and stops, gentle and not."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from clients.frames import encode_chunk
from services.model.elements import Mode
from services.model.errors import ArtStoreError, ModeNotAllowed
from services.model.files import FileAttributes, FileChange, RetentionPolicy, UploadCommit
from services.model.paging import PageRequest
from services.storage.domain.modes import ModeState
from services.storage.store.modefile import encode_mode
from tests.service.storage.conftest import ANNA, DATA, MIB, Calls, download, eventually, temporary, upload
from tests.support.certificates import Certificates, environment
from tests.support.elements import RunningElement
from tests.support.processes import Running, free_port
from tests.unit.storage.samples import NOW


@asynccontextmanager
async def running(
    folder: Path, certificates: Certificates, mode: str = "edit", **settings: str
) -> AsyncIterator[Calls]:
    """An element in `folder`, stopped on leaving."""
    element = await RunningElement.start(folder, certificates, "se-1", mode, **settings)
    calls = Calls(element, certificates)
    try:
        yield calls
    finally:
        await calls.close()
        element.process.stop()


async def listed(calls: Calls) -> list[FileAttributes]:
    page = await calls.as_("admin").files(None, PageRequest(limit=1000), on_behalf_of=ANNA)
    return list(page.items)


async def test_everything_is_there_after_a_restart(folder: Path, certificates: Certificates) -> None:
    async with running(folder, certificates) as calls:
        ingester = calls.as_("ingester")
        files = [await upload(ingester, DATA[: n * 1000]) for n in range(5)]
        files[1] = await ingester.update(files[1].file_id, FileChange(description="new"), on_behalf_of=ANNA)
        files[2] = await ingester.delete(files[2].file_id, on_behalf_of=ANNA)
    async with running(folder, certificates) as calls:
        assert "index_complete=True" in calls.element.process.log, "a clean stop needs no scan"
        assert await listed(calls) == files
        assert await download(calls.as_("query"), files[4].file_id) == DATA[:4000]


async def test_a_stop_lets_an_upload_under_way_end(folder: Path, certificates: Certificates) -> None:
    async with running(folder, certificates) as calls:
        process = calls.element.process
        async with calls.as_("ingester").upload(temporary(), on_behalf_of=ANNA) as stream:

            async def slowly() -> AsyncIterator[bytes]:
                yield encode_chunk(DATA[:MIB])
                process.send(signal.SIGTERM)
                await eventually(lambda: "stopping" in process.log)
                yield encode_chunk(DATA[MIB : 2 * MIB])

            await stream.send(slowly())
            file = await stream.commit(UploadCommit(2 * MIB))
        assert await process.exit_status() == 0
    async with running(folder, certificates) as calls:
        assert await download(calls.as_("query"), file.file_id) == DATA[: 2 * MIB]


async def test_what_was_acknowledged_survives_a_kill_and_the_rest_leaves_nothing(
    folder: Path, certificates: Certificates
) -> None:
    acknowledged: list[FileAttributes] = []
    tried = []

    async def keep_uploading(calls: Calls, size: int) -> None:
        client = calls.as_("ingester")
        while True:
            new = temporary()
            tried.append(new.file_id)
            acknowledged.append(await upload(client, DATA[:size], new))

    for round_ in range(3):
        async with running(folder, certificates) as calls:
            enough = len(acknowledged) + 10 * (round_ + 1)
            working = [asyncio.create_task(keep_uploading(calls, size)) for size in (0, 10, 5000, 700_000, 2 * MIB)]
            await eventually(lambda: len(acknowledged) >= enough)  # noqa: B023 - awaited before it changes
            calls.element.process.kill()
            results = await asyncio.gather(*working, return_exceptions=True)
            assert all(isinstance(each, ArtStoreError) for each in results)
    async with running(folder, certificates) as calls:
        found = {each.file_id: each for each in await listed(calls)}
        assert {each.file_id: each for each in acknowledged}.items() <= found.items()
        assert set(found) <= set(tried)
        query = calls.as_("query")
        for file in found.values():
            assert await download(query, file.file_id) == DATA[: file.size]
        temporaries = [path for path in (calls.element.data / "incoming").rglob("*") if path.is_file()]
        assert temporaries == []


async def test_a_second_process_on_the_same_directory_is_refused(folder: Path, certificates: Certificates) -> None:
    async with running(folder, certificates) as calls:
        file = await upload(calls.as_("ingester"), b"x")
        second = Running.start("services.storage", settings(folder, certificates), log=folder / "second.log")
        assert await second.exit_status() == 1
        assert "another process serves" in second.log
        assert await download(calls.as_("query"), file.file_id) == b"x"
        assert calls.element.process.alive


async def test_an_empty_directory_is_refused_without_init(folder: Path, certificates: Certificates) -> None:
    (folder / "se-1").mkdir()
    process = Running.start(
        "services.storage", {**settings(folder, certificates), "SE_INIT": "false"}, log=folder / "refused.log"
    )
    assert await process.exit_status() == 1
    assert "is not a storage element" in process.log
    assert "Traceback" not in process.log
    assert list((folder / "se-1").iterdir()) == []


async def test_wrong_settings_are_all_named(folder: Path, certificates: Certificates) -> None:
    wrong = {"SE_STORAGE_ID": "Not A Label", "SE_MODE": "rwx", "SE_MAX_FILE_SIZE": "much"}
    process = Running.start("services.storage", {**settings(folder, certificates), **wrong}, log=folder / "wrong.log")
    assert await process.exit_status() == 2
    for name in wrong:
        assert name in process.log


@pytest.mark.parametrize(
    ("mode", "permitted"),
    [
        (Mode.EDIT, "upload download update delete"),
        (Mode.RW, "upload download update"),
        (Mode.RO, "download"),
        (Mode.AR, ""),
    ],
)
async def test_a_mode_permits_what_it_says(
    folder: Path, certificates: Certificates, mode: Mode, permitted: str
) -> None:
    policy = RetentionPolicy.TEMPORARY if mode is Mode.EDIT else RetentionPolicy.PERMANENT
    first = "edit" if mode is Mode.EDIT else "rw"
    async with running(folder, certificates, first) as calls:
        file = await upload(calls.as_("ingester"), b"x", temporary(retention_policy=policy))
    state = ModeState(mode=mode, revision=2, changed_at=NOW, changed_by=ANNA.subject)
    (folder / "se-1" / "mode.json").write_bytes(encode_mode(state))
    async with running(folder, certificates, first) as calls:
        ingester, query = calls.as_("ingester"), calls.as_("query")
        assert (await calls.as_("admin").info(on_behalf_of=ANNA)).mode is mode
        assert (await query.file(file.file_id, on_behalf_of=ANNA)).file_id == file.file_id
        verbs: dict[str, Callable[[], Awaitable[object]]] = {
            "upload": lambda: upload(ingester, b"y", temporary(retention_policy=policy)),
            "download": lambda: download(query, file.file_id),
            "update": lambda: ingester.update(file.file_id, FileChange(description="d"), on_behalf_of=ANNA),
            "delete": lambda: ingester.delete(file.file_id, on_behalf_of=ANNA),
        }
        for name, do in verbs.items():
            if name in permitted.split():
                await do()
            else:
                with pytest.raises(ModeNotAllowed):
                    await do()


def settings(folder: Path, certificates: Certificates) -> dict[str, str]:
    """Of another process on the directory of `running`."""
    return {
        **environment("SE_", certificates.element("se-1")),
        "SE_PORT": str(free_port()),
        "SE_OPS_PORT": str(free_port()),
        "SE_STORAGE_ID": "se-1",
        "SE_DATA_DIR": str(folder / "se-1"),
        "SE_INIT": "true",
    }
