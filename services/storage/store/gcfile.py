"""`gc.json`: when garbage was last collected, the witness against a clock that jumps. Sealed, replaced whole.

`reconcile.json` tells the same of reconciliation.

{"ran_at":"2026-11-21T01:30:00.000Z","attr_sha256":"…"}
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from services.model.errors import StorageUnavailable
from services.storage.domain.seal import seal
from services.storage.store.charge import Charge
from services.storage.store.durable import forget, open_folder, write_file
from services.storage.store.pool import Pool
from services.storage.store.refusal import ElementRefused
from services.storage.store.reserve import Reserve
from services.storage.store.sealed import read_sealed


class GcFile:
    """Fills `ports.Collections`."""

    def __init__(self, charge: Charge, path: Path, *, reserve: Reserve, writes: Pool) -> None:
        self._charge, self._path, self._reserve, self._writes = charge, path, reserve, writes

    async def last(self) -> datetime | None:
        return await self._writes.run(self._read)

    async def keep(self, ran_at: datetime) -> None:
        await self._writes.run(self._reserve.spending, self._keep, ran_at)

    def _read(self) -> datetime | None:
        try:
            disk = self._charge.writing.disk
            members = read_sealed(disk.fs, self._path)
            return None if members is None else datetime.fromisoformat(members["ran_at"])
        except (ElementRefused, KeyError, ValueError, TypeError) as error:
            raise StorageUnavailable(f"{self._path.name} cannot be trusted: {error}") from error

    def _keep(self, ran_at: datetime) -> None:
        writing = self._charge.writing
        fs, layout, health = writing.disk.fs, writing.disk.layout, writing.disk.health
        temporary = layout.temporaries(writing.epoch) / self._path.name
        text = seal({"ran_at": ran_at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")})
        with health.preparing(), open_folder(fs, layout.root) as sync:
            write_file(fs, temporary, text)
            try:
                fs.rename(temporary, self._path)
            except OSError:
                forget(fs, temporary)
                raise
            sync()
