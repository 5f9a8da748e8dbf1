"""Signing keys follow one another, without a token ever being refused.

Publish the next key → wait until every verifier has it → sign with it → publish the one before until its last token has
expired → forget that. Each step is kept by itself, so that whoever comes next goes on where another one died.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from services.admin.domain.keys import SigningKey, Step, steps
from services.admin.ports import KeyStore
from services.admin.usecases.key_ring import RELOAD, KeyRing, new_key
from services.admin.usecases.standing import Standing
from services.chassis.caller import Identity
from services.chassis.logs import get_logger
from services.chassis.tokens import SKEW
from services.model.clock import Clock
from services.model.errors import ServiceUnavailable
from services.model.identity import KeyInfo, KeyState

LONGEST_PAUSE = timedelta(seconds=15)

log = get_logger(__name__)


class RotateKeys:
    """One pass: whatever is due now."""

    def __init__(
        self,
        *,
        keys: KeyStore,
        ring: KeyRing,
        clock: Clock,
        interval: timedelta,
        wait: timedelta,
        lifetime: timedelta,
    ) -> None:
        """`interval`: how long a key signs; `wait`: how long it is published before; `lifetime` of a token."""
        self._keys = keys
        self._ring = ring
        self._clock = clock
        self._interval = interval
        self._wait = wait
        self._lifetime = lifetime
        self._served: dict[str, float] = {}

    @property
    def pause(self) -> timedelta:
        """Between two passes."""
        return min(LONGEST_PAUSE, self._wait / 4 + timedelta(milliseconds=100))

    async def __call__(self) -> list[Step]:
        """Return what was done. Raises `ServiceUnavailable`."""
        keys = await self._published()
        todo = steps(keys, self._clock.now(), interval=self._interval, wait=self._wait, seen=self._seen(keys))
        for step in todo:
            await self._take(step, keys)
        if todo:
            await self._ring.reload()
        return todo

    async def publish(self) -> SigningKey:
        """Publish the next key, unless one is; return it. Raises `ServiceUnavailable`."""
        key = await asyncio.to_thread(new_key, self._clock, state=KeyState.NEXT, activates_in=self._wait)
        if await self._keys.add_next(key):
            log.info("a new signing key was published", kid=key.kid, signs_from=str(key.since))
        for each in await self._published():
            if each.state is KeyState.NEXT:
                return each
        raise ServiceUnavailable("the rotation went on meanwhile; look again", retry_after=1)

    async def _take(self, step: Step, keys: Sequence[SigningKey]) -> None:
        now = self._clock.now()
        match step:
            case Step.PUBLISH:
                await self.publish()
            case Step.ACTIVATE:
                (following,) = (key for key in keys if key.state is KeyState.NEXT)
                # Other replicas sign with the old one until they read the keys again.
                retires_at = now + self._lifetime + timedelta(seconds=RELOAD + SKEW)
                if await self._keys.activate(following.kid, now=now, retires_at=retires_at):
                    log.info("a new signing key signs", kid=following.kid, old_one_until=str(retires_at))
            case Step.RETIRE:
                log.info("old signing keys are published no more", count=await self._keys.retire(now))

    async def _published(self) -> Sequence[SigningKey]:
        """The keys; and we remember since when we have been giving out each of them."""
        keys = await self._ring.reload()
        now = self._clock.monotonic()
        self._served = {key.kid: self._served.get(key.kid, now) for key in keys}
        return keys

    def _seen(self, keys: Sequence[SigningKey]) -> timedelta:
        """For how long we have been giving out the next key: a key set that nobody could fetch is no key set."""
        since = [self._served[key.kid] for key in keys if key.state is KeyState.NEXT]
        return timedelta(seconds=self._clock.monotonic() - since[0]) if since else timedelta(0)


class ListSigningKeys:
    """Every key that is published, the oldest first."""

    def __init__(self, *, ring: KeyRing) -> None:
        self._ring = ring

    async def __call__(self) -> list[KeyInfo]:
        """Raises `ServiceUnavailable`."""
        return [key.shown for key in await self._ring.reload()]


class RotateSigningKey:
    """Begin a rotation now instead of when it is due."""

    def __init__(self, *, rotate: RotateKeys, standing: Standing) -> None:
        self._rotate = rotate
        self._standing = standing

    async def __call__(self, *, by: Identity) -> KeyInfo:
        """The key that will sign. Raises `Unauthorized`, `ServiceUnavailable`."""
        await self._standing(by, "admin:write")
        key = await self._rotate.publish()
        log.info("a rotation of the signing keys was asked for", kid=key.kid, by=by.subject)
        return key.shown
