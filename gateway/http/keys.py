"""The verification keys, for this process and for everybody: they outlast an absence of Admin."""

from __future__ import annotations

import asyncio
from typing import Any

from services.chassis.logs import get_logger
from services.chassis.tokens import KeySource
from services.model.errors import ArtStoreError, ServiceUnavailable

PATIENCE = 3.0
"""Seconds for Admin to answer while there is an older key set to fall back on."""

log = get_logger(__name__)


class LastKnownKeys:
    """A `KeySource` that asks another one each time, and remembers its last answer for when there is none.

    It never answers from memory while the source is there: a new key must be seen as soon as it is published.
    """

    def __init__(self, source: KeySource) -> None:
        self._source = source
        self._last: dict[str, Any] | None = None

    async def jwks(self) -> dict[str, Any]:
        """The key set (RFC 7517). Raises `ServiceUnavailable` if there never was one."""
        try:
            async with asyncio.timeout(None if self._last is None else PATIENCE):
                self._last = await self._source.jwks()
        except (ArtStoreError, TimeoutError) as error:
            if self._last is None:
                raise ServiceUnavailable(
                    "The verification keys cannot be had now; try again.", retry_after=2
                ) from error
            log.warning("admin did not give the verification keys; the last known ones are used", reason=str(error))
        return self._last
