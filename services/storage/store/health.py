"""What an error of the disk means: full, passing, or the end of writing."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from services.chassis.logs import get_logger
from services.model.errors import StorageFull, StorageUnavailable
from services.storage.store.durable import FolderNotSynced

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
SHORTAGE = frozenset({errno.EMFILE, errno.ENFILE})
"""Too many open files: only `open` says so, nothing has been done, and it passes."""

log = get_logger(__name__)


class WriteHealth:
    """Whether the element still writes. Once it has stopped, only a restart, which looks at the disk again, begins."""

    def __init__(self, sure: Callable[[], bool] = lambda: True) -> None:
        """`sure`: whether this process may still take itself for the element's leader."""
        self._sure = sure
        self.reason = ""
        """Why it stopped; empty while it writes."""
        self._deposed = False
        """Whether it stopped for another process, and not for the disk."""

    @property
    def writable(self) -> bool:
        return not self.reason

    def require(self) -> None:
        """Raise `StorageUnavailable` unless the element writes, and this process may begin something.

        Asked before something is begun, and never between: what has begun either ends, or fails in the file system.
        """
        if self.reason and not self._deposed:
            raise StorageUnavailable("the storage element has stopped writing after a disk error")
        if self.reason or not self._sure():
            raise StorageUnavailable("the storage element is changing its leader; try again", retry_after=2)

    def stop(self, reason: str) -> None:
        """Write nothing any more; the first reason stays."""
        if not self.reason:
            self.reason = reason
            log.error("a disk error leaves an outcome unknown: the element stops writing", reason=reason)

    def depose(self, reason: str) -> None:
        """Write nothing any more: another process does."""
        if not self.reason:
            self.reason, self._deposed = reason, True

    @contextmanager
    def preparing(self) -> Iterator[None]:
        """Around what can be undone: a full disk is `StorageFull`; any other failure stops the writing.

        So does a folder's sync that failed, for whatever reason: see `FolderNotSynced`.
        """
        self.require()
        try:
            yield
        except OSError as error:
            if error.errno in FULL and not isinstance(error, FolderNotSynced):
                raise full() from error
            if error.errno in SHORTAGE:
                log.warning("too many open files", error=str(error))
                raise StorageUnavailable("the storage element is overloaded", retry_after=2) from error
            raise self._stopped(error) from error

    @contextmanager
    def committing(self) -> Iterator[None]:
        """Around what cannot: any failure stops the writing, since nobody knows what the disk has kept.

        The lease is no matter here. A leader that was paused in the middle goes on: what it renames too late fails at
        the fence, and with what it had renamed before the recovery of the next leader agrees. Gone half way, and still
        leading, it would leave a file that neither journal, index nor feed knows.
        """
        if self.reason:
            raise self._unknown()
        try:
            yield
        except OSError as error:
            raise self._stopped(error) from error

    def _stopped(self, error: OSError) -> StorageUnavailable:
        self.stop(str(error))
        return self._unknown()

    def _unknown(self) -> StorageUnavailable:
        """Something had begun, or could have."""
        if self._deposed:
            return StorageUnavailable.unconfirmed(
                "the storage element is changing its leader: whether the change was kept is not known, ask again with"
                " the same id", retry_after=2
            )  # fmt: skip
        return StorageUnavailable.unconfirmed(
            "a disk error: whether the change was kept is not known, ask again with the same id"
        )


@contextmanager
def reading() -> Iterator[None]:
    """Around reads: a failure is `StorageUnavailable`, but a name that is not there stays a `FileNotFoundError`."""
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        log.error("the disk cannot be read", error=str(error))  # noqa: TRY400 - the trace would tell no more
        raise StorageUnavailable("the storage element cannot read its disk") from error


def full() -> StorageFull:
    """The refusal for want of room."""
    return StorageFull("the storage element has no room for the file")
