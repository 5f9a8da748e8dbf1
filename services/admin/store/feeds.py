"""How far the feed of each element is known, in PostgreSQL: kept in the transaction that writes the rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.admin.domain.feed import Step
from services.admin.domain.registry import Entry, supersedes_as
from services.admin.store.database import Database
from services.admin.store.registry import bring_rows, known_rows
from services.model.errors import Conflict
from services.model.feed import FeedPosition
from services.model.ids import ElementId

if TYPE_CHECKING:
    from services.admin.store.database import Connection

_POSITION = "SELECT feed_id, number FROM admin.element_feeds WHERE element_id = $1"
_BEGIN = """
INSERT INTO admin.element_feeds AS f (element_id, feed_id, number)
SELECT element_id, $2, $3 FROM admin.elements WHERE element_id = $1
ON CONFLICT (element_id) DO UPDATE SET feed_id = EXCLUDED.feed_id, number = EXCLUDED.number, advanced_at = now()
WHERE f.feed_id <> EXCLUDED.feed_id
"""
_FORGET = "DELETE FROM admin.element_feeds WHERE element_id = $1"
_ADVANCE = """
UPDATE admin.element_feeds SET number = greatest(number, $3), advanced_at = now()
WHERE element_id = $1 AND feed_id = $2
"""
_END = """
UPDATE admin.files AS f SET status = ended.status, revision = f.revision + 1, recorded_at = now()
FROM (SELECT * FROM unnest($2::uuid[], $3::text[]) AS t (file_id, status) ORDER BY file_id) AS ended
WHERE f.file_id = ended.file_id AND f.element_id = $1 AND f.status <> ended.status
"""
_MODE = "UPDATE admin.elements SET mode = $2, mode_revision = $3 WHERE element_id = $1 AND mode_revision < $3"


class PostgresFeeds:
    """`ports.FeedStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def position(self, element_id: ElementId) -> FeedPosition | None:
        row = await self._database.row(_POSITION, element_id)
        return FeedPosition(row["feed_id"], row["number"]) if row else None

    async def begin(self, element_id: ElementId, position: FeedPosition) -> None:
        await self._database.execute(_BEGIN, element_id, position.feed_id, position.number)

    async def forget(self, element_id: ElementId) -> None:
        await self._database.execute(_FORGET, element_id)

    async def apply(self, element_id: ElementId, step: Step) -> int:
        return await self._database.run(lambda connection: _apply(connection, element_id, step))


async def _apply(connection: Connection, element_id: ElementId, step: Step) -> int:
    async with connection.transaction():
        # First, since it locks the row: what another follower, if there were one, does comes before or after all this.
        advanced = await connection.execute(_ADVANCE, element_id, step.position.feed_id, step.position.number)
        if advanced != "UPDATE 1":
            raise Conflict("another feed of this element is followed now")
        changed = await bring_rows(connection, await _news(connection, step))
        if step.ended:
            ended = await connection.execute(_END, element_id, [*step.ended], [*step.ended.values()])
            changed += int(ended.rpartition(" ")[2])
        if step.mode is not None:
            await connection.execute(_MODE, element_id, step.mode.mode, step.mode.revision)
        return changed


async def _news(connection: Connection, step: Step) -> list[Entry]:
    """What is not in the registry already: an upload has been registered by the ingester, as a rule.

    An INSERT that finds a row locks it, and so writes; to look first costs a tenth.
    """
    known = {row.file_id: row for row in await known_rows(connection, [entry.file.file_id for entry in step.entries])}
    return [
        entry
        for entry in step.entries
        if (row := known.get(entry.file.file_id)) is None
        or supersedes_as(entry.file.revision, entry.file.status, row.revision, row.status)
    ]
