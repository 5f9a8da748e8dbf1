"""Several small files in one call, between the wire and the use case: each has its own outcome."""

from __future__ import annotations

from artstore.storage.v1 import storage_pb2

from clients import wire
from services.chassis.faults import status_of
from services.chassis.logs import get_logger
from services.model.errors import ArtStoreError, InternalError, ValidationFailed
from services.model.files import FileAttributes
from services.storage.domain.modes import Operation
from services.storage.rpc import convert
from services.storage.rpc.metrics import counted
from services.storage.usecases.store_small_file import Offered

MOST = 128

log = get_logger(__name__)


def offered(request: storage_pb2.StoreFilesRequest) -> list[Offered | ArtStoreError]:
    """The files, or why one is not understood. Raises `ValidationFailed` for too many."""
    if len(request.items) > MOST:
        raise ValidationFailed.of("items", f"at most {MOST} are taken at once")
    return [_offered(each) for each in request.items]


def result(item: storage_pb2.StoreFilesItem, outcome: FileAttributes | BaseException) -> storage_pb2.StoreFilesResult:
    """What became of one, counted as an operation of its own."""
    try:
        with counted(Operation.UPLOAD):
            if isinstance(outcome, BaseException):
                raise outcome
            return storage_pb2.StoreFilesResult(file=wire.file_to_proto(outcome))
    except ArtStoreError as error:
        return storage_pb2.StoreFilesResult(error=status_of(error))
    except Exception as error:
        log.exception("a file failed", error=type(error).__name__, request_id=item.request_id)
        failure = InternalError("an internal error; the request id finds it in the log")
        return storage_pb2.StoreFilesResult(error=status_of(failure))


def _offered(item: storage_pb2.StoreFilesItem) -> Offered | ArtStoreError:
    try:
        return convert.offered(item.file)
    except ValidationFailed as error:
        return error
