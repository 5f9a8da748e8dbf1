"""A process that is one of several: it opens the element for reading, and leads only when it is told to."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from services.model.errors import StorageUnavailable
from services.model.files import FileAttributes
from services.model.paging import PageRequest
from services.storage.domain.documents import Document
from services.storage.domain.election import Deposed, Patience
from services.storage.store.candidate import Candidate
from services.storage.store.element import Element
from services.storage.store.options import Replicated
from services.storage.store.refusal import ElementRefused
from tests.doubles.clock import FakeClock
from tests.support.storage_store import content_of, opened, store
from tests.unit.storage.samples import FILE_ID, OTHER_ID, attributes

PATIENCE = Patience(silence=8, loss=5)


@asynccontextmanager
async def process(folder: Path, name: str, clock: FakeClock | None = None) -> AsyncIterator[tuple[Element, Candidate]]:
    own = Replicated("127.0.0.1", 8010, PATIENCE)
    async with opened(folder, clock=clock, indexed=False, index_dir=folder / name, replicated=own) as element:
        assert element.candidate is not None
        try:
            yield element, element.candidate
        finally:
            await element.candidate.close()


async def lead(element: Element, candidate: Candidate) -> None:
    _, latest = await candidate.look()
    await candidate.claim(latest + 1)
    await candidate.beat()
    await candidate.recover()
    candidate.accept()
    await element.rebuild()


async def listed(element: Element) -> list[FileAttributes]:
    await element.following()
    await element.rebuild()
    return list((await element.files.page(None, PageRequest())).items)


async def test_a_follower_reads_and_lists_what_the_leader_has_committed(tmp_path: Path) -> None:
    async with process(tmp_path, "a") as (first, leader), process(tmp_path, "b") as (second, _):
        with pytest.raises(StorageUnavailable, match="leader"):
            await store(second.files, attributes(), b"x")
        await lead(first, leader)
        one = await store(first.files, attributes(), b"one")
        assert await listed(second) == [one]
        two = await store(first.files, attributes(file_id=OTHER_ID), b"two")
        assert await content_of(second.files, two) == b"two", "before its index knows"
        changed = await first.files.change(FILE_ID, lambda d: replace(d.attributes, description="d", revision=2))
        assert await listed(second) == [changed, two]
        assert second.feed.position == first.feed.position
        with pytest.raises(StorageUnavailable, match="leader"):
            await second.files.change(FILE_ID, lambda d: replace(d.attributes, description="e", revision=3))


async def test_a_follower_that_takes_over_goes_on_with_its_index_and_the_old_one_with_its(tmp_path: Path) -> None:
    async with process(tmp_path, "a") as (first, old), process(tmp_path, "b") as (second, new):
        await lead(first, old)
        one = await store(first.files, attributes(), b"one")
        assert await listed(second) == [one]
        late = await store(first.files, attributes(file_id=OTHER_ID), b"late")
        await lead(second, new)
        with pytest.raises(Deposed, match="later epoch"):
            await old.beat()
        with pytest.raises(StorageUnavailable):
            await first.files.change(FILE_ID, lambda d: replace(d.attributes, description="stale", revision=2))
        await old.leave("deposed")
        assert second._parts.index.complete, "without being made anew"
        assert list((await second.files.page(None, PageRequest())).items) == [one, late]
        changed = await second.files.change(FILE_ID, lambda d: replace(d.attributes, description="new", revision=2))
        await first.following()
        assert first._parts.index.complete, "without being made anew"
        assert list((await first.files.page(None, PageRequest())).items) == [changed, late]
        await lead(first, old)
        assert first.epoch == 3


async def test_a_leader_whose_beats_fail_is_not_sure_of_itself_any_more(tmp_path: Path) -> None:
    clock = FakeClock()
    async with process(tmp_path, "a", clock) as (element, candidate):
        await lead(element, candidate)
        clock.advance(4.0)
        await candidate.beat()
        clock.advance(4.0)
        await store(element.files, attributes(), b"x")
        clock.advance(1.5)
        with pytest.raises(StorageUnavailable, match="leader"):
            await store(element.files, attributes(file_id=OTHER_ID), b"y")
        await candidate.beat()
        await store(element.files, attributes(file_id=OTHER_ID), b"y")


async def test_the_lock_is_one_s(tmp_path: Path) -> None:
    async with process(tmp_path, "a") as (_, first), process(tmp_path, "b") as (_, second):
        assert await first.try_lock()
        assert await first.try_lock()
        assert not await second.try_lock()
        await first.unlock()
        assert await second.try_lock()


async def test_of_two_who_claim_the_same_epoch_one_has_it(tmp_path: Path) -> None:
    async with process(tmp_path, "a") as (_, first), process(tmp_path, "b") as (_, second):
        await first.claim(1)
        with pytest.raises(Deposed):
            await second.claim(1)
        assert not second.leading


async def test_two_processes_do_not_share_an_index(tmp_path: Path) -> None:
    async with process(tmp_path, "a"):
        with pytest.raises(ElementRefused, match="SE_INDEX_DIR of its own"):
            async with process(tmp_path, "a"):
                pytest.fail("it was opened")


async def test_a_gap_in_what_is_kept_of_the_journal_makes_the_index_anew(tmp_path: Path) -> None:
    async with process(tmp_path, "a") as (first, leader), process(tmp_path, "b") as (second, _):
        await lead(first, leader)
        file = await store(first.files, attributes(file_id=FILE_ID), b"0")
        assert await listed(second) == [file]
        for revision in range(2, 120):  # several segments; none is kept longer than it is needed
            change = partial(_revised, revision=revision)
            file = await first.files.change(FILE_ID, change)
        await second.following()
        assert not second._parts.index.complete
        late = await store(first.files, attributes(file_id=OTHER_ID), b"late")
        assert await listed(second) == [file, late]
        assert second.feed.position == first.feed.position


def _revised(document: Document, revision: int) -> FileAttributes:
    return replace(document.attributes, description="d" * 800, revision=revision)
