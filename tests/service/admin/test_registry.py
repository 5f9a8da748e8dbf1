"""The registry of a running Admin."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import timedelta

import asyncpg
import pytest

from services.chassis.caller import Identity
from services.model.elements import Element
from services.model.errors import Forbidden, NotFound, StorageUnavailable, ValidationFailed
from services.model.files import FileAttributes, FileStatus
from services.model.ids import ElementId
from services.model.operations import OperationState
from tests.service.admin.ground import QUERY_PASSWORD, Admin, PlayedElement
from tests.support.admin_things import NOW, file, temporary


@pytest.fixture
async def user(admin: Admin) -> Identity:
    return await admin.user()


@pytest.fixture
async def holder(admin: Admin, element: PlayedElement, user: Identity) -> Element:
    """The registered element, synced: Admin does that by itself once, and misses what a test never puts there."""
    registered, _ = await admin.as_("gateway").register_element(element.endpoint, on_behalf_of=user)
    done, _ = await admin.operations().sync_element(
        registered.element_id, wait=timedelta(seconds=30), on_behalf_of=user
    )
    assert done.state is OperationState.SUCCEEDED
    return registered


async def in_registry(admin: Admin, holder: Element, one: FileAttributes) -> FileAttributes:
    return await admin.as_("ingester").register_file(holder.element_id, one)


@pytest.mark.parametrize("one", [file(), temporary(original_filename="../../etc/passwd"), file(metadata={}, tags=())])
async def test_a_registered_document_is_located_and_seen_by_query(
    admin: Admin, holder: Element, user: Identity, one: FileAttributes
) -> None:
    assert await in_registry(admin, holder, one) == one
    assert await admin.as_("ingester").locate_file(one.file_id, on_behalf_of=user) == (holder.address, one)
    query = await asyncpg.connect(admin.database.dsn(admin.database.query_role, QUERY_PASSWORD))
    row = await query.fetchrow("SELECT * FROM query_v1.files WHERE file_id = $1", one.file_id)
    await query.close()
    assert row is not None
    assert (row["original_filename"], row["storage_id"], row["endpoint"]) == (
        one.original_filename, "se-rw-01", holder.endpoint,
    )  # fmt: skip


async def test_registering_again_and_late_changes_nothing(admin: Admin, holder: Element, user: Identity) -> None:
    one = file()
    second = replace(one, revision=2, description="second")
    assert await in_registry(admin, holder, one) == one
    assert await in_registry(admin, holder, second) == second
    assert await in_registry(admin, holder, one) == second


async def test_an_unknown_document_or_element_is_not_found(admin: Admin, holder: Element, user: Identity) -> None:
    with pytest.raises(NotFound):
        await admin.as_("ingester").locate_file(file().file_id, on_behalf_of=user)
    unknown = ElementId(str(uuid.uuid4()))
    with pytest.raises(NotFound, match="element"):
        await admin.as_("ingester").register_file(unknown, file())
    with pytest.raises(NotFound):
        await admin.as_("query").mark_missing(file().file_id, on_behalf_of=user)


async def test_what_the_registry_cannot_hold_is_refused(admin: Admin, holder: Element, user: Identity) -> None:
    with pytest.raises(ValidationFailed, match="sha256"):
        await in_registry(admin, holder, file(sha256="x"))


async def test_only_the_ingester_registers_and_only_query_repairs(
    admin: Admin, holder: Element, user: Identity
) -> None:
    with pytest.raises(Forbidden):
        await admin.as_("gateway").register_file(holder.element_id, file())
    with pytest.raises(Forbidden):
        await admin.as_("ingester").mark_missing(file().file_id, on_behalf_of=user)
    reader = await admin.user("files:read")
    with pytest.raises(Forbidden, match="files:write"):
        await admin.as_("ingester").locate_file(file().file_id, on_behalf_of=reader)


async def test_a_document_that_its_element_does_not_know_is_marked_and_comes_back(
    admin: Admin, holder: Element, element: PlayedElement, user: Identity
) -> None:
    one = await in_registry(admin, holder, file())
    query = admin.as_("query")
    assert (await query.mark_missing(one.file_id, on_behalf_of=user)).status is FileStatus.MISSING
    element.says.files[one.file_id] = one
    assert await query.mark_missing(one.file_id, on_behalf_of=user) == one


async def test_a_row_is_brought_up_to_what_the_element_says(
    admin: Admin, holder: Element, element: PlayedElement, user: Identity
) -> None:
    one = await in_registry(admin, holder, file())
    deleted = replace(one, status=FileStatus.DELETED, deleted_at=NOW, deleted_by=user.subject, revision=2)
    element.says.files[one.file_id] = deleted
    assert await admin.as_("query").mark_missing(one.file_id, on_behalf_of=user) == deleted


async def test_while_the_element_is_away_nothing_is_marked(
    admin: Admin, holder: Element, element: PlayedElement, user: Identity
) -> None:
    one = await in_registry(admin, holder, file())
    await element.peer.stop()
    with pytest.raises(StorageUnavailable):
        await admin.as_("query").mark_missing(one.file_id, on_behalf_of=user)
    _, present = await admin.as_("ingester").locate_file(one.file_id, on_behalf_of=user)
    assert present == one
