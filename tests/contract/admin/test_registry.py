"""What every registry promises."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from services.admin.domain.elements import ElementRecord
from services.admin.domain.registry import Entry, Located
from services.admin.domain.sync import Known, Place
from services.admin.ports import ElementStore, FileRegistry
from services.model.errors import NotFound
from services.model.files import FileAttributes, FileStatus
from services.model.ids import ElementId, FileId, Subject
from tests.support.admin_things import NOW, file, record, temporary


@pytest.fixture
async def element(elements: ElementStore) -> ElementRecord:
    """The element that holds the documents."""
    made, _ = await elements.register(record("se-rw-01"), name=None)
    return made


def changed(one: FileAttributes, revision: int, **changes: object) -> FileAttributes:
    return replace(one, revision=revision, updated_at=NOW + timedelta(seconds=revision), **changes)  # type: ignore[arg-type]


ODD = [
    file(),
    temporary(),
    temporary(ttl=timedelta(seconds=1), expires_at=NOW + timedelta(microseconds=1)),
    file(original_filename="../../etc/passwd", description="", tags=(), metadata={}),
    file(original_filename="a\"b'c\\d\r\n\t\x01%_$1", description="{}\\u0041", tags=("a,b", '"', "{x}", "NULL")),
    file(
        original_filename="ж" * 512, metadata={"n": 2**80, "f": 5e-324, "neg": -0.1, "": {"": [None, True]}, "😀": "😀"}
    ),
    file(status=FileStatus.DELETED, deleted_at=NOW, deleted_by=Subject("root"), revision=2**40, size=2**62, epoch=9),
    file(status=FileStatus.DAMAGED, size=0),
    file(uploaded_at=NOW.replace(microsecond=123456), uploaded_by=Subject("keycloak:Ёлка")),
    file(
        uploaded_by=Subject("".join(chr(0x400 + number * number % 251) for number in range(1000))),
        revision=2**63 - 1,
        epoch=2**63 - 1,
        content_type="",
        uploaded_at=datetime(1, 1, 2, tzinfo=UTC),
        updated_at=datetime(9999, 12, 30, tzinfo=UTC),
    ),
]


@pytest.mark.parametrize("one", ODD, ids=range(len(ODD)))
async def test_a_row_comes_back_exactly(registry: FileRegistry, element: ElementRecord, one: FileAttributes) -> None:
    assert await registry.record([Entry(element.element_id, one)]) == [one]
    assert await registry.find(one.file_id) == Located(one, element.address)


async def test_an_unknown_file_is_not_found(registry: FileRegistry, element: ElementRecord) -> None:
    assert await registry.find(file().file_id) is None
    with pytest.raises(NotFound):
        await registry.mark_missing(Located(file(), element.address))


async def test_a_later_revision_wins(registry: FileRegistry, element: ElementRecord) -> None:
    first = file()
    second = changed(first, 2, description="changed", tags=(), metadata={"x": 1})
    await registry.record([Entry(element.element_id, first)])
    assert await registry.record([Entry(element.element_id, second)]) == [second]
    assert await registry.find(first.file_id) == Located(second, element.address)


@pytest.mark.parametrize("revision", [1, 2])
async def test_the_same_or_an_older_revision_changes_nothing(
    registry: FileRegistry, element: ElementRecord, revision: int
) -> None:
    present = replace(file(), revision=2)
    await registry.record([Entry(element.element_id, present)])
    stale = changed(present, revision, description="stale")
    assert await registry.record([Entry(element.element_id, stale)]) == [present]
    assert await registry.find(present.file_id) == Located(present, element.address)


async def test_a_later_revision_on_another_element_moves_the_row(
    registry: FileRegistry, elements: ElementStore, element: ElementRecord
) -> None:
    other, _ = await elements.register(record("se-rw-02"), name=None)
    first = file()
    await registry.record([Entry(element.element_id, first)])
    await registry.record([Entry(other.element_id, first)])
    assert await registry.find(first.file_id) == Located(first, element.address)
    await registry.record([Entry(other.element_id, changed(first, 2))])
    assert await registry.find(first.file_id) == Located(changed(first, 2), other.address)


async def test_revisions_in_any_order_end_at_the_last(registry: FileRegistry, element: ElementRecord) -> None:
    one = file()
    revisions = [changed(one, number, description=str(number)) for number in range(1, 21)]
    revisions = [*revisions[1::2], *revisions[::-2]]
    assert len(revisions) == 20
    await asyncio.gather(*(registry.record([Entry(element.element_id, each)]) for each in revisions))
    found = await registry.find(one.file_id)
    assert found is not None
    assert found.file == changed(one, 20, description="20")


async def test_the_first_registrations_of_one_file_at_once_all_see_a_row(
    registry: FileRegistry, element: ElementRecord
) -> None:
    for _ in range(20):
        one = file()
        rows = await asyncio.gather(*(registry.record([Entry(element.element_id, one)]) for _ in range(6)))
        assert rows == [[one]] * 6


async def test_many_at_once_are_all_kept_and_answered_in_order(registry: FileRegistry, element: ElementRecord) -> None:
    many = [temporary() if number % 2 else file(tags=("x",) * (number % 3)) for number in range(50)]
    many.append(changed(many[0], 2))
    kept = await registry.record([Entry(element.element_id, each) for each in many])
    assert kept == [changed(many[0], 2), *many[1:50], changed(many[0], 2)]


async def test_no_entry_is_kept_if_one_names_an_unknown_element(registry: FileRegistry, element: ElementRecord) -> None:
    good = file()
    with pytest.raises(NotFound):
        await registry.record([Entry(element.element_id, good), Entry(ElementId(str(uuid.uuid4())), file())])
    assert await registry.find(good.file_id) is None


async def test_nothing_to_record_is_no_error(registry: FileRegistry) -> None:
    assert list(await registry.record([])) == []


async def test_a_missing_file_is_marked_and_comes_back_when_seen_again(
    registry: FileRegistry, element: ElementRecord
) -> None:
    one = file()
    await registry.record([Entry(element.element_id, one)])
    missing = replace(one, status=FileStatus.MISSING)
    assert await registry.mark_missing(Located(one, element.address)) == missing
    assert await registry.find(one.file_id) == Located(missing, element.address)
    assert await registry.record([Entry(element.element_id, one)]) == [one]


async def test_an_older_sign_of_life_does_not_bring_a_missing_file_back(
    registry: FileRegistry, element: ElementRecord
) -> None:
    one = replace(file(), revision=3)
    await registry.record([Entry(element.element_id, one)])
    await registry.mark_missing(Located(one, element.address))
    rows = await registry.record([Entry(element.element_id, replace(one, revision=2))])
    assert rows == [replace(one, status=FileStatus.MISSING)]


async def test_a_row_that_has_changed_since_is_not_marked(registry: FileRegistry, element: ElementRecord) -> None:
    one = file()
    await registry.record([Entry(element.element_id, changed(one, 2))])
    assert await registry.mark_missing(Located(one, element.address)) == changed(one, 2)


async def test_a_row_that_has_moved_since_is_not_marked(registry: FileRegistry, element: ElementRecord) -> None:
    one = file()
    await registry.record([Entry(element.element_id, one)])
    elsewhere = replace(element.address, element_id=ElementId(str(uuid.uuid4())))
    assert await registry.mark_missing(Located(one, elsewhere)) == one


async def test_many_rows_are_brought_up_to_date_at_once(registry: FileRegistry, element: ElementRecord) -> None:
    files = [file() for _ in range(5)]
    entries = [Entry(element.element_id, each) for each in files]
    assert await registry.bring(entries) == 5
    assert await registry.bring(entries) == 0
    changed = replace(files[0], revision=2, description="changed")
    assert await registry.bring([Entry(element.element_id, changed), *entries[1:]]) == 1
    assert await registry.bring([Entry(element.element_id, files[0])]) == 0
    located = await registry.find(files[0].file_id)
    assert located is not None
    assert located.file == changed


async def test_rows_that_are_added_come_back_exactly(registry: FileRegistry, element: ElementRecord) -> None:
    await registry.add([Entry(element.element_id, each) for each in ODD])
    for one in ODD:
        assert await registry.find(one.file_id) == Located(one, element.address)


async def test_where_a_row_has_come_meanwhile_the_later_revision_wins(
    registry: FileRegistry, elements: ElementStore, element: ElementRecord
) -> None:
    other, _ = await elements.register(record("se-rw-02"), name=None)
    new, later, earlier, twice = file(), file(revision=2), file(), file()
    await registry.bring(
        [Entry(other.element_id, changed(earlier, 3)), Entry(other.element_id, replace(later, revision=1))]
    )
    await registry.add(
        [Entry(element.element_id, each) for each in (new, later, earlier, twice, changed(twice, 2, description="2"))]
    )
    assert [await registry.find(each.file_id) for each in (new, later, earlier, twice)] == [
        Located(new, element.address),
        Located(later, element.address),
        Located(changed(earlier, 3), other.address),
        Located(changed(twice, 2, description="2"), element.address),
    ]


async def test_nothing_is_added_for_an_element_that_is_not_registered(
    registry: FileRegistry, element: ElementRecord
) -> None:
    known, unknown = file(), file()
    with pytest.raises(NotFound):
        await registry.add(
            [Entry(element.element_id, known), Entry(ElementId(str(uuid.uuid4())), unknown)],
        )
    assert await registry.find(known.file_id) is None


async def test_two_who_add_the_same_rows_do_not_wait_for_each_other(
    registry: FileRegistry, element: ElementRecord
) -> None:
    entries = [Entry(element.element_id, file()) for _ in range(300)]
    async with asyncio.timeout(60):
        await asyncio.gather(registry.add(entries), registry.add(entries[::-1]), registry.bring(entries[::-1]))
    assert await registry.bring(entries) == 0


async def test_rows_are_overruled_only_while_they_are_as_they_were_seen(
    registry: FileRegistry, element: ElementRecord
) -> None:
    old, other, late = file(), file(revision=3), file()
    entries = [Entry(element.element_id, each) for each in (old, replace(other, epoch=9, description="other"), late)]
    await registry.bring([Entry(element.element_id, changed(each, 3)) for each in (old, other, late)])
    assert await registry.bring(entries) == 0
    known = await registry.stretch(element.element_id, [], None, None)
    seen = {each.file_id: each for each in known}
    assert await registry.mark_gone(element.element_id, [(late.file_id, 3)]) == 1
    assert await registry.overrule(entries, seen) == 2
    rows = [await registry.find(each.file_id) for each in (old, other, late)]
    assert [row and row.file for row in rows] == [
        old, replace(other, epoch=9, description="other"), changed(late, 3, status=FileStatus.MISSING)
    ]  # fmt: skip
    assert await registry.overrule(entries, seen) == 0


async def test_a_stretch_holds_what_was_named_and_what_lies_between(
    registry: FileRegistry, elements: ElementStore, element: ElementRecord
) -> None:
    other, _ = await elements.register(record("se-rw-02"), name=None)
    files = [file(uploaded_at=NOW + timedelta(seconds=number // 2)) for number in range(8)]
    files.sort(key=lambda each: (each.uploaded_at, each.file_id))
    await registry.bring([Entry(element.element_id, each) for each in files])
    foreign = [file(), file()]
    await registry.bring([Entry(other.element_id, each) for each in foreign])
    places = [Place(each.uploaded_at, each.file_id) for each in files]

    async def ids(named: list[FileId], after: Place | None, until: Place | None) -> list[FileId]:
        return sorted(known.file_id for known in await registry.stretch(element.element_id, named, after, until))

    assert await ids([], None, None) == sorted(each.file_id for each in files)
    assert await ids([], places[1], places[4]) == sorted(each.file_id for each in files[2:5])
    assert await ids([files[0].file_id, foreign[0].file_id, files[2].file_id], places[1], places[2]) == sorted(
        [files[0].file_id, foreign[0].file_id, files[2].file_id]
    )
    (known,) = await registry.stretch(element.element_id, [foreign[0].file_id], places[-1], None)
    said = foreign[0]
    assert known == Known(
        said.file_id, other.element_id, 1, FileStatus.ACTIVE, said.epoch, said.updated_at, said.sha256
    )


async def test_files_that_are_gone_are_marked_unless_they_have_changed(
    registry: FileRegistry, elements: ElementStore, element: ElementRecord
) -> None:
    other, _ = await elements.register(record("se-rw-02"), name=None)
    gone, changed, moved = file(), file(revision=2), file()
    await registry.bring(
        [Entry(element.element_id, gone), Entry(element.element_id, changed), Entry(other.element_id, moved)]
    )
    named = [(gone.file_id, 1), (changed.file_id, 1), (moved.file_id, 1)]
    assert await registry.mark_gone(element.element_id, named) == 1
    assert await registry.mark_gone(element.element_id, named) == 0
    states = {
        each.file_id: each.status for each in await registry.stretch(element.element_id, [moved.file_id], None, None)
    }
    assert states == {
        gone.file_id: FileStatus.MISSING, changed.file_id: FileStatus.ACTIVE, moved.file_id: FileStatus.ACTIVE
    }  # fmt: skip
    assert await registry.bring([Entry(element.element_id, gone)]) == 1
