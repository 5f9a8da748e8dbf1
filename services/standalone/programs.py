"""What a supervisor needs to know of a process."""

from __future__ import annotations

import signal
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from services.standalone.accounts import Account
from services.standalone.probes import Probe

Hook = Callable[[], Coroutine[Any, Any, None]]


async def _nothing() -> None:
    return None


@dataclass(frozen=True)
class Program:
    """One process: how it is started, when it is ready, how it is stopped."""

    name: str
    command: tuple[str, ...]
    """Program and arguments. Never a secret: everybody can read it."""
    environment: Mapping[str, str] = field(repr=False)
    """All of its environment; may hold a DSN."""
    directory: Path
    """Its working directory."""
    ready: Probe | None
    """None: it is a job, which is done when it has ended with status 0."""
    after: frozenset[str] = frozenset()
    """The names of those that must be ready (or done) before it starts."""
    outlives: frozenset[str] = frozenset()
    """The names of those that must have ended before it is stopped, besides those that come after it."""
    account: Account | None = None
    """The account to run as, if not ours."""
    ports: Mapping[str, int] = field(default_factory=dict)
    """What it listens on, by purpose (`grpc`, `ops`, …), for people to see."""
    data: Path | None = None
    """Where its data lie, for people to see."""

    before_start: Hook = _nothing
    """Clears the way; also before a restart."""
    prepare: Hook = _nothing
    """Done once it is ready, before others rely on it; at the first start only."""
    before_stop: Hook = _nothing
    """Done before it is asked to stop; must end by itself."""
    stop_signal: signal.Signals = signal.SIGTERM
    last_signal: signal.Signals = signal.SIGKILL
    """For one that has not ended within the patience below."""
    start_patience: float = 60.0
    """Seconds to become ready."""
    stop_patience: float = 35.0
    """Seconds to end: a little more than a drain."""
