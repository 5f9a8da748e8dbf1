"""What every store of files does; see `services/storage/ports.py`."""

from __future__ import annotations

import asyncio
import hashlib
import os
from dataclasses import replace
from datetime import timedelta

import pytest

from services.model.errors import Conflict, NotFound, PreconditionFailed, StorageFull, ValidationFailed
from services.model.files import ByteRange, FileAttributes, FileStatus
from services.model.ids import FileId
from services.model.paging import PageRequest
from services.storage.domain.documents import Document, decode
from services.storage.ports import Files
from tests.doubles.documents import new_id
from tests.support.storage_store import content_of, store
from tests.unit.storage.samples import FILE_ID, NOW, OTHER_ID, attributes

DATA = os.urandom(1_500_000)


def described(document: Document) -> FileAttributes:
    return replace(document.attributes, description="new", revision=document.attributes.revision + 1)


@pytest.mark.parametrize("size", [0, 1, 524_288, 524_289, 1_500_000])
@pytest.mark.parametrize("declared", [True, False])
async def test_what_was_stored_is_found_and_read(files: Files, size: int, declared: bool) -> None:
    stored = await store(files, attributes(), DATA[:size], declared=declared)
    assert stored.size == size
    assert stored.epoch > 0
    assert (await files.find(FILE_ID)).attributes == stored
    assert await content_of(files, stored) == DATA[:size]


async def test_nothing_is_found_before_the_commit(files: Files) -> None:
    async with files.receive(FILE_ID, len(DATA)) as incoming:
        await incoming.write(DATA)
        await incoming.finish()
        with pytest.raises(NotFound):
            await files.find(FILE_ID)
        assert (await files.page(None, PageRequest())).total == 0


async def test_what_is_left_without_a_commit_is_gone(files: Files) -> None:
    async with files.receive(FILE_ID, len(DATA)) as incoming:
        await incoming.write(DATA)
        assert (await files.room()).promised == len(DATA)
    with pytest.raises(NotFound):
        await files.find(FILE_ID)
    assert (await files.room()).promised == 0


async def test_memory_that_is_not_ours_may_come_in_views(files: Files) -> None:
    frame = memoryview(b"head" + DATA + b"tail")
    async with files.receive(FILE_ID, len(DATA)) as incoming:
        await incoming.write(frame[4:-4])
        sha256 = await incoming.finish()
        stored = await incoming.commit(attributes(size=len(DATA), sha256=sha256))
    assert await content_of(files, stored) == DATA


async def test_the_same_id_with_the_same_content_is_the_existing_file(files: Files) -> None:
    first = await store(files, attributes(), DATA)
    again = await store(files, attributes(original_filename="other.pdf"), DATA)
    assert again == first
    assert files.usage().used == len(DATA)


async def test_the_same_id_with_other_content_is_refused_and_changes_nothing(files: Files) -> None:
    first = await store(files, attributes(), DATA)
    with pytest.raises(Conflict):
        await store(files, attributes(), DATA[:-1] + b"?")
    assert await content_of(files, first) == DATA
    assert (await files.room()).promised == 0


async def test_of_two_uploads_of_one_id_at_once_one_is_kept(files: Files) -> None:
    results = await asyncio.gather(
        *(store(files, attributes(), bytes([n]) * 100_000) for n in range(4)), return_exceptions=True
    )
    kept = [each for each in results if isinstance(each, FileAttributes)]
    assert len(kept) == 1
    assert all(isinstance(each, Conflict) for each in results if each is not kept[0])
    assert (await files.find(FILE_ID)).attributes == kept[0]


async def test_a_change_is_seen_at_once(files: Files) -> None:
    await store(files, attributes(), DATA)
    changed = await files.change(FILE_ID, described)
    assert (changed.description, changed.revision) == ("new", 2)
    assert (await files.find(FILE_ID)).attributes == changed
    [listed] = (await files.page(None, PageRequest())).items
    assert listed == changed
    assert await content_of(files, changed) == DATA


async def test_a_change_that_is_none_writes_nothing(files: Files) -> None:
    stored = await store(files, attributes(), DATA)
    assert await files.change(FILE_ID, lambda document: document.attributes) == stored


async def test_a_change_that_is_refused_changes_nothing(files: Files) -> None:
    stored = await store(files, attributes(), DATA)

    def refuse(document: Document) -> FileAttributes:
        raise PreconditionFailed("no")

    with pytest.raises(PreconditionFailed):
        await files.change(FILE_ID, refuse)
    assert (await files.find(FILE_ID)).attributes == stored


async def test_changes_of_one_file_come_one_after_the_other(files: Files) -> None:
    await store(files, attributes(), DATA)
    await asyncio.gather(*(files.change(FILE_ID, described) for _ in range(20)))
    assert (await files.find(FILE_ID)).attributes.revision == 21


async def test_what_is_not_there_is_not_found(files: Files) -> None:
    await store(files, attributes(), b"x")
    for unknown in (OTHER_ID, FileId("ffffffff-ffff-7fff-bfff-ffffffffffff")):
        with pytest.raises(NotFound):
            await files.find(unknown)
        with pytest.raises(NotFound):
            await files.change(unknown, described)


@pytest.mark.parametrize(("first", "last"), [(0, 0), (10, 99), (524_287, 524_288), (1_499_999, 1_499_999)])
async def test_a_range_is_read_and_nothing_else(files: Files, first: int, last: int) -> None:
    await store(files, attributes(), DATA)
    async with files.content(await files.find(FILE_ID), ByteRange(first, last), hashed=True) as content:
        read = b""
        while chunk := await content.read():
            read += chunk
        assert content.sha256 == hashlib.sha256(DATA[first : last + 1]).hexdigest()
    assert read == DATA[first : last + 1]


MUCH = 1 << 40
"""Bytes: others use the same disk, and may make room while a test runs."""


async def test_what_does_not_fit_is_refused_before_the_bytes(files: Files) -> None:
    room = await files.room()
    with pytest.raises(StorageFull):
        async with files.receive(FILE_ID, room.available + MUCH):
            pytest.fail("it was let in")
    assert (await files.room()).promised == 0


async def test_promised_room_is_not_given_away_twice(files: Files) -> None:
    room = await files.room()
    async with files.receive(FILE_ID, 1 << 20):
        assert (await files.room()).promised - room.promised == 1 << 20
    assert (await files.room()).promised == room.promised


async def stored_series(files: Files, count: int) -> list[FileAttributes]:
    """Files uploaded at different and at equal times, not in the order of their ids; every third one deleted."""
    series = []
    for n in range(count):
        at = NOW + timedelta(seconds=n // 2)
        stored = await store(files, attributes(file_id=new_id(), uploaded_at=at, updated_at=at), bytes([n]) * n)
        if n % 3 == 0:
            stored = await files.change(
                stored.file_id, lambda d: replace(d.attributes, status=FileStatus.DELETED, revision=2)
            )
        series.append(stored)
    return sorted(series, key=lambda each: (each.uploaded_at, each.file_id))


@pytest.mark.parametrize("status", [None, FileStatus.ACTIVE, FileStatus.DELETED, FileStatus.EXPIRED])
async def test_pages_by_offset_and_by_cursor_show_every_file_once(files: Files, status: FileStatus | None) -> None:
    series = [each for each in await stored_series(files, 11) if status in (None, each.status)]
    by_offset: list[FileAttributes] = []
    by_cursor: list[FileAttributes] = []
    cursor = ""
    for offset in range(0, 12, 3):
        page = await files.page(status, PageRequest(limit=3, offset=offset))
        by_offset += page.items
        assert page.total == len(series)
        assert page.has_more == (offset + 3 < len(series))
    while True:
        page = await files.page(status, PageRequest(limit=2, cursor=cursor))
        by_cursor += page.items
        assert page.has_more == bool(page.next_cursor)
        if not page.has_more:
            break
        cursor = page.next_cursor
    assert by_offset == by_cursor == series


async def test_pages_of_documents_show_the_same_files(files: Files) -> None:
    series, shown, cursor = await stored_series(files, 7), list[FileAttributes](), ""
    while True:
        page = await files.texts(PageRequest(limit=3, cursor=cursor))
        assert page is not None
        shown += [decode(text).attributes for text in page.items]
        assert (page.total, page.has_more) == (7, bool(page.next_cursor))
        if not page.has_more:
            break
        cursor = page.next_cursor
    assert shown == series
    with pytest.raises(ValidationFailed, match="cursor"):
        await files.texts(PageRequest(cursor="x"))


async def test_a_file_that_comes_meanwhile_disturbs_no_cursor(files: Files) -> None:
    series = await stored_series(files, 4)
    first = await files.page(None, PageRequest(limit=2))
    early = NOW - timedelta(days=1)
    await store(files, attributes(file_id=new_id(), uploaded_at=early, updated_at=early), b"x")
    second = await files.page(None, PageRequest(limit=2, cursor=first.next_cursor))
    assert [*first.items, *second.items] == series


@pytest.mark.parametrize("cursor", ["x", "AAAA", "ключ", "MTIz", "/+", "MSBub3QtYW4taWQ"])
async def test_a_cursor_that_is_not_ours_is_refused(files: Files, cursor: str) -> None:
    with pytest.raises(ValidationFailed, match="cursor"):
        await files.page(None, PageRequest(cursor=cursor))


async def test_usage_follows_every_change(files: Files) -> None:
    assert files.usage().used == 0
    await store(files, attributes(), b"12345")
    await store(files, attributes(file_id=OTHER_ID), b"123")
    assert files.usage().files == {FileStatus.ACTIVE: 2}
    await files.change(FILE_ID, lambda d: replace(d.attributes, status=FileStatus.DELETED, revision=2))
    counted = {status: count for status, count in files.usage().files.items() if count}
    assert counted == {FileStatus.ACTIVE: 1, FileStatus.DELETED: 1}
    assert files.usage().used == 8, "the bytes of a deleted file are there until they are collected"


async def test_a_cancelled_upload_leaves_nothing(files: Files) -> None:
    begun = asyncio.Event()

    async def upload() -> None:
        async with files.receive(FILE_ID, len(DATA)) as incoming:
            await incoming.write(DATA)
            begun.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(upload())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await files.room()).promised == 0
    with pytest.raises(NotFound):
        await files.find(FILE_ID)


async def test_what_else_its_attributes_say_is_kept(files: Files) -> None:
    unknown = {"holds": [{"by": "court"}]}
    async with files.receive(FILE_ID, 1) as incoming:
        await incoming.write(b"x")
        sha256 = await incoming.finish()
        stored = await incoming.commit(attributes(size=1, sha256=sha256, revision=5), unknown)
    document = await files.find(FILE_ID)
    assert (document.unknown, document.attributes, stored.revision) == (unknown, stored, 5)
    changed = await files.change(FILE_ID, described)
    assert changed.revision == 6
    assert (await files.find(FILE_ID)).unknown == unknown
