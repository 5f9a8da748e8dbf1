"""Destroying a file: known for ever. What a cut or an error does to it is in tests/faults."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.model.errors import FileDeleted
from services.model.feed import Destroyed
from services.model.files import FileStatus
from services.storage.domain.documents import Document
from tests.support.storage_store import content_of, opened, store
from tests.unit.storage.samples import FILE_ID, OTHER_ID, attributes

DATA, KEPT = b"gone" * 1000, b"kept" * 1000
NOW = datetime(2026, 11, 21, 3, 40, tzinfo=UTC)
LOG = "destroyed/2026/11.jsonl"


def line_of(document: Document) -> Destroyed:
    file = document.attributes
    return Destroyed(file.file_id, file.size, file.sha256, FileStatus.DELETED, file.uploaded_by, NOW, NOW)


async def test_what_was_destroyed_never_comes_back(tmp_path: Path) -> None:
    async with opened(tmp_path) as element:
        await store(element.files, attributes(), DATA)
        assert await element.files.destroy(FILE_ID, lambda document: None) is None
        assert await content_of(element.files, attributes()) == DATA
        line = await element.files.destroy(FILE_ID, line_of)
        assert line is not None
        with pytest.raises(FileDeleted):
            await element.files.find(FILE_ID)
        with pytest.raises(FileDeleted):
            await element.files.change(FILE_ID, lambda document: document.attributes)
        with pytest.raises(FileDeleted):
            await element.files.destroy(FILE_ID, line_of)
        with pytest.raises(FileDeleted):
            await store(element.files, attributes(), DATA)
    shutil.rmtree(tmp_path / "index")
    async with opened(tmp_path, indexed=False) as element:
        with pytest.raises(FileDeleted):
            await element.files.find(FILE_ID)
        with pytest.raises(FileDeleted):
            await store(element.files, attributes(), DATA)
        await element.rebuild()
        with pytest.raises(FileDeleted):
            await element.files.find(FILE_ID)
    text = (tmp_path / "data" / LOG).read_text()
    assert json.loads(text) == {
        "file_id": FILE_ID, "size": len(DATA), "sha256": line.sha256, "why": "deleted", "by": "anna",
        "ended_at": "2026-11-21T03:40:00.000Z", "destroyed_at": "2026-11-21T03:40:00.000Z",
    }  # fmt: skip


async def test_a_line_that_somebody_wrote_by_hand_is_found_too(tmp_path: Path) -> None:
    async with opened(tmp_path) as element:
        log = element._parts.destroyed
        lines = [line_of(Document(attributes(file_id=each), "x")) for each in (OTHER_ID, FILE_ID)]
        for line in lines:
            log.append(line)
        assert log.latest([FILE_ID]) == lines[1:]
        path = tmp_path / "data" / LOG
        path.write_text("".join(json.dumps(json.loads(text)) + "\n" for text in path.read_text().splitlines()))
        assert log.latest([FILE_ID]) == lines[1:]


async def test_a_line_cut_by_a_crash_does_not_spoil_the_next(tmp_path: Path) -> None:
    async with opened(tmp_path) as element:
        await store(element.files, attributes(), DATA)
        log = tmp_path / "data" / LOG
        log.parent.mkdir(parents=True)
        log.write_text('{"file_id":"01a1')
        await element.files.destroy(FILE_ID, line_of)
        torn, line, end = log.read_text().split("\n")
    assert (torn, end) == ('{"file_id":"01a1', "")
    assert json.loads(line)["file_id"] == FILE_ID
    shutil.rmtree(tmp_path / "index")
    async with opened(tmp_path) as element:
        with pytest.raises(FileDeleted):
            await element.files.find(FILE_ID)
