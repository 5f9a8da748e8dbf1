"""Times, durations, JSON and enums."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from services.model.errors import ValidationFailed
from services.model.files import JsonObject

if TYPE_CHECKING:
    from google.protobuf.internal.enum_type_wrapper import _EnumTypeWrapper

Word = TypeVar("Word", bound=StrEnum)
Number = TypeVar("Number", bound=int)


def time_to_proto(time: datetime | None) -> Timestamp | None:
    """To the microsecond; None leaves the field unset."""
    if time is None:
        return None
    message = Timestamp()
    message.FromDatetime(time)
    return message


def time_from_proto(message: Timestamp, field: str) -> datetime:
    """UTC and aware. Raises `ValidationFailed` outside of the years 1 to 9999."""
    try:
        return message.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise ValidationFailed.of(field, "is not a time") from None


def duration_to_proto(length: timedelta | None) -> Duration | None:
    """To the microsecond; None leaves the field unset."""
    if length is None:
        return None
    message = Duration()
    message.FromTimedelta(length)
    return message


def duration_from_proto(message: Duration, field: str) -> timedelta:
    """Raises `ValidationFailed` when it is out of range."""
    try:
        return message.ToTimedelta()
    except (ValueError, OverflowError):
        raise ValidationFailed.of(field, "is not a duration") from None


def json_to_text(value: JsonObject) -> str:
    """JSON text (RFC 8259), empty for the empty object."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False) if value else ""


def json_from_text(text: str, field: str) -> JsonObject:
    """The object that `text` writes; empty text means the empty object. Raises `ValidationFailed`."""
    if not text:
        return {}
    try:
        value = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise ValidationFailed.of(field, "is not JSON") from None
    if not isinstance(value, dict):
        raise ValidationFailed.of(field, "must be a JSON object")
    return value


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)  # NaN and Infinity, which Python's parser takes and JSON does not know


class EnumTable(Generic[Word, Number]):
    """One of our enums beside its proto twin: `EDIT` beside `ELEMENT_MODE_EDIT`. Total, or it cannot be built."""

    def __init__(self, words: type[Word], numbers: _EnumTypeWrapper[Number], prefix: str) -> None:
        self._to_number: dict[Word, Number] = {word: numbers.Value(f"{prefix}_{word.name}") for word in words}
        self._to_word: dict[int, Word] = {number: word for word, number in self._to_number.items()}
        self._unspecified = numbers.Value(f"{prefix}_UNSPECIFIED")

    def to_proto(self, word: Word | None) -> Number:
        """None becomes the unspecified value."""
        return self._unspecified if word is None else self._to_number[word]

    def from_proto(self, number: int, field: str) -> Word:
        """Raises `ValidationFailed` when it is unspecified or unknown."""
        if number == self._unspecified:
            raise ValidationFailed.of(field, "is required")
        return self._known(number, field)

    def optional(self, number: int, field: str) -> Word | None:
        """The unspecified value becomes None. Raises `ValidationFailed` when it is unknown."""
        return None if number == self._unspecified else self._known(number, field)

    def _known(self, number: int, field: str) -> Word:
        word = self._to_word.get(number)
        if word is None:
            raise ValidationFailed.of(field, "is not a known value")
        return word


def word_from_text(words: type[Word], text: str, field: str) -> Word:
    """The enum member that `text` names. Raises `ValidationFailed` when it names none."""
    try:
        return words(text)
    except ValueError:
        raise ValidationFailed.of(field, "is not a known value") from None


def only_set(**fields: Any) -> dict[str, Any]:
    """The fields that are not None: protobuf's way to leave a field unset is not to name it."""
    return {name: value for name, value in fields.items() if value is not None}
