"""Every metric that an element exports beside the chassis's, in one table."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import Counter, Gauge

from services.model.errors import ArtStoreError
from services.model.files import FileStatus
from services.storage.domain.modes import Operation
from services.storage.usecases.describe_element import DescribeElement

OPERATIONS = Counter("se_operations_total", "Operations on files that ended, by outcome.", ["operation", "result"])
FILES = Gauge("se_files_total", "Files by status, as far as the index knows.", ["status"])
BYTES = Gauge("se_storage_bytes", "Bytes: used by files, capacity, available to uploads.", ["kind"])
WRITABLE = Gauge("se_writable", "1 while the element accepts writes, 0 after a disk error.")


@contextmanager
def counted(operation: Operation) -> Iterator[None]:
    """Count what happens inside as one operation, by its error code or "OK"; "CANCELLED" where the caller left."""
    result = "INTERNAL_ERROR"
    try:
        yield
        result = "OK"
    except ArtStoreError as error:
        result = error.code.value
        raise
    except Exception:
        raise
    except BaseException:
        result = "CANCELLED"
        raise
    finally:
        OPERATIONS.labels(operation.value, result).inc()


class Observe:
    """One pass brings the gauges up to date."""

    def __init__(self, describe: DescribeElement) -> None:
        self._describe = describe

    async def __call__(self) -> None:
        info = await self._describe()
        WRITABLE.set(info.writable)
        for status in FileStatus:
            FILES.labels(status.value).set(info.files.get(status, 0))
        for kind, value in (
            ("used", info.used_bytes),
            ("capacity", info.capacity_bytes),
            ("available", info.available_bytes),
        ):
            BYTES.labels(kind).set(value)
