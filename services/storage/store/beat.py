"""`.leader.info`: who leads, and signs of life of his. Not sealed: nothing is decided by it alone.

    {"epoch":12,"host":"10.0.0.7","port":8010,"since":"2026-11-21T01:30:00.000Z","beat":4711,"writable":true}

Replaced whole, by a rename out of the leader's own `incoming/<epoch>`: one who was fenced cannot write it.
"""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime

from services.chassis.logs import get_logger
from services.storage.domain.election import Leader
from services.storage.store.durable import read_file, write_all
from services.storage.store.fs import CREATE, FileSystem
from services.storage.store.layout import Layout

MAX_BYTES = 4096

log = get_logger(__name__)


def read_leader(fs: FileSystem, layout: Layout) -> Leader | None:
    """Who says that he leads; None if nobody does, or it cannot be understood. Raises `OSError`."""
    try:
        members = json.loads(read_file(fs, layout.leader, MAX_BYTES))
        return Leader(
            epoch=int(members["epoch"]),
            host=str(members["host"]),
            port=int(members["port"]),
            since=datetime.fromisoformat(members["since"]),
            beat=int(members["beat"]),
            writable=bool(members.get("writable", True)),
        )
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:  # a power cut may leave anything: it is never synced
        log.warning("the leader's info is not understood", error=repr(error))
        return None


def write_leader(fs: FileSystem, layout: Layout, leader: Leader) -> None:
    """Show life. It need not last: it is not synced. Raises `FileNotFoundError` to one who was fenced, `OSError`."""
    temporary = layout.temporaries(leader.epoch) / "leader.info"
    with contextlib.suppress(FileNotFoundError):
        fs.unlink(temporary)  # of an attempt that failed
    descriptor = fs.open(temporary, CREATE)
    try:
        write_all(fs, descriptor, _encode(leader))
    finally:
        fs.close(descriptor)
    fs.rename(temporary, layout.leader)


def _encode(leader: Leader) -> bytes:
    since = leader.since.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    members = {"epoch": leader.epoch, "host": leader.host, "port": leader.port, "since": since,
               "beat": leader.beat, "writable": leader.writable}  # fmt: skip
    return json.dumps(members, separators=(",", ":")).encode() + b"\n"
