"""What lies in an hour is looked at by parts, and seen as if it were looked at as a whole."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.model.ids import FileId
from services.model.maintenance import Issue
from services.storage.domain.surveying import Surveyed
from services.storage.store.element import Element
from services.storage.store.survey import Survey
from tests.support.storage_store import opened, store
from tests.unit.storage.samples import FILE_ID, attributes

IDS = [FileId(f"{FILE_ID[:-6]}{number:06x}") for number in range(20)]


@pytest.fixture
async def element(tmp_path: Path) -> AsyncIterator[Element]:
    """Twenty files of an hour, and something of everything that may be wrong there."""
    async with opened(tmp_path) as element:
        for file_id in IDS:
            await store(element.files, attributes(file_id=file_id), b"one")
        spoil(tmp_path)
        yield element


def spoil(root: Path) -> None:
    described = sorted(root.rglob("*.attr.json"))
    hour = described[0].parent
    described[1].unlink()
    described[2].write_bytes(described[2].read_bytes().replace(b"anna", b"olga"))
    for number, each in enumerate(described[3:8]):
        shutil.copy(each, hour / each.name.replace("_", f"_{number}_", 1))
    (hour / "notes.txt").write_text("mine")
    (hour / "link").symlink_to("notes.txt")
    (hour / "folder").mkdir()


async def looked(element: Element, **sizes: int) -> list[Surveyed]:
    return [each async for each in Survey(element._parts, **sizes).folders()]


def all_of(found: list[Surveyed]) -> tuple[list[object], list[object]]:
    seen = sorted((each.document.attributes.file_id, each.size) for part in found for each in part.seen)
    strange = [(each.issue, each.path, each.detail, each.beside) for part in found for each in part.strange]
    return [*seen], [*sorted(strange)]


@pytest.mark.parametrize(("part", "batch"), [(1000, 1), (7, 3), (3, 1), (1, 1000)])
async def test_an_hour_is_seen_by_parts_as_it_is_as_a_whole(element: Element, part: int, batch: int) -> None:
    whole, parts = await looked(element), await looked(element, part=part, batch=batch)
    assert all_of(parts) == all_of(whole)
    assert len(all_of(whole)[0]) == 18
    kinds = {each.issue for every in whole for each in every.strange}
    assert kinds == {Issue.ORPHANED, Issue.CORRUPT, Issue.DUPLICATE, Issue.FOREIGN, Issue.SYMLINK}


async def test_only_so_many_documents_are_held_at_a_time(element: Element) -> None:
    assert max(len(each.seen) for each in await looked(element, batch=4)) <= 4
    assert max(len(each.seen) for each in await looked(element, part=4)) < 18
