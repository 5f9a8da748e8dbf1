"""A listing for those who read attribute files themselves: what lies on the disk, but nothing that is not trusted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from services.model.ids import FileId
from services.model.paging import MAX_LIMIT, PageRequest
from services.storage.domain.documents import MAX_BYTES, decode
from services.storage.domain.seal import seal, unseal
from services.storage.store.element import Element
from services.storage.store.files import PAGE_BYTES
from services.storage.store.texts import Texts
from tests.support.storage_store import opened, store
from tests.unit.storage.samples import FILE_ID, OTHER_ID, attributes


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def text_of(folder: Path, file_id: FileId) -> Path:
    [path] = (folder / "data/files").rglob(f"*{file_id}*.attr.json")
    return path


async def filled(element: Element) -> None:
    await store(element.files, attributes(), b"old")
    await store(element.files, attributes(file_id=OTHER_ID), b"other")


async def listed(element: Element) -> list[bytes] | None:
    page = await element.files.texts(PageRequest())
    return None if page is None else list(page.items)


async def test_attribute_files_are_given_as_they_lie_on_the_disk(folder: Path) -> None:
    async with opened(folder) as element:
        await filled(element)
        assert await listed(element) == [text_of(folder, each).read_bytes() for each in (FILE_ID, OTHER_ID)]


async def test_what_is_gone_or_cannot_be_trusted_is_left_out(folder: Path) -> None:
    async with opened(folder) as element:
        await filled(element)
        path = text_of(folder, FILE_ID)
        path.write_bytes(path.read_bytes().replace(b'"expires_at":"2026', b'"expires_at":"2016'))
        assert await listed(element) == [text_of(folder, OTHER_ID).read_bytes()]
        path.write_bytes(text_of(folder, OTHER_ID).read_bytes())
        assert await listed(element) == [text_of(folder, OTHER_ID).read_bytes()], "it speaks of another file"
        path.unlink()
        assert await listed(element) == [text_of(folder, OTHER_ID).read_bytes()]
        assert (page := await element.files.texts(PageRequest())) is not None
        assert page.total == 2, "as the index counts"


@pytest.mark.parametrize(
    "edit",
    [
        lambda text: seal(unseal(text) | {"schema_version": 2}),
        lambda text: seal(dict(reversed(unseal(text).items()))),
        lambda text: seal(unseal(text) | {"more": "x" * MAX_BYTES}),
        lambda text: text.rstrip(b"\n"),
    ],
    ids=["of a later version", "in another order", "longer than ours", "without a line end"],
)
async def test_what_this_version_has_not_written_so_is_for_the_slower_way(folder: Path, edit: object) -> None:
    async with opened(folder) as element:
        await filled(element)
        path = text_of(folder, FILE_ID)
        path.write_bytes(edit(path.read_bytes()))  # type: ignore[operator]
        assert decode(path.read_bytes()).attributes.file_id == FILE_ID, "it can be trusted"
        assert await listed(element) is None
        assert len((await element.files.page(None, PageRequest())).items) == 2


async def test_a_page_is_no_longer_than_a_message_holds(folder: Path) -> None:
    assert MAX_LIMIT * MAX_BYTES > PAGE_BYTES, "else there is nothing to cut"
    async with opened(folder) as element:
        await filled(element)
        rows = element.files._parts.index.page(None, None, 0, 10)
        texts: Texts = element.files._parts.texts
        whole, count = texts.some(rows, PAGE_BYTES)
        assert (len(whole), count) == (2, 2)
        length = len(whole[0])
        assert json.loads(whole[0])["file_id"] == FILE_ID
        assert texts.some(rows, length) == (whole[:1], 1)
        text_of(folder, FILE_ID).unlink()
        assert texts.some(rows, 0) == ([], 1), "a row without a text takes no room"
