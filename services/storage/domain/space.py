"""How much room there is. All in bytes."""

from __future__ import annotations

from dataclasses import dataclass

from services.model.errors import StorageFull


@dataclass(frozen=True, slots=True)
class Room:
    """What decides whether something still fits."""

    free: int
    """What the file system still gives to us."""
    total: int
    """Size of the file system."""
    used: int
    """By stored files."""
    pending: int
    """Promised to uploads, and not yet taken from `free`."""
    promised: int
    """Promised to uploads in all; not yet part of `used`."""
    keep_free: int
    """What stays free, for attributes, indexes and whoever must tidy up."""
    limit: int
    """What the element may hold; 0: as much as the file system."""

    @property
    def capacity(self) -> int:
        return self.limit or self.total

    @property
    def available(self) -> int:
        """What an upload may still ask for."""
        by_disk = self.free - self.pending - self.keep_free
        by_limit = self.limit - self.used - self.promised if self.limit else by_disk
        return max(0, min(by_disk, by_limit))

    def require(self, size: int) -> None:
        """Raise `StorageFull` unless `size` bytes more fit."""
        if size > self.available:
            raise StorageFull("the storage element has no room for the file")
