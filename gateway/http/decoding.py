"""JSON and addresses into Structs; what is wrong with them, naming the field."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import msgspec
from litestar import Request
from msgspec.inspect import ListType, StructType, multi_type_info

from gateway.http import body
from services.model.errors import UnsupportedMediaType, ValidationFailed

Shape = TypeVar("Shape", bound=msgspec.Struct)

MAX_PARAMETERS = 1000
"""Of one address."""

_PATH = re.compile(r"(.*) - at `\$\.?(.*)`", re.DOTALL)
_NAMED = re.compile(r"Object (contains unknown|missing required) field `(.*)`", re.DOTALL)
_NAMED_MESSAGES = {"contains unknown": "is not known", "missing required": "is required"}


async def json_body(request: Request[Any, Any, Any], shape: type[Shape]) -> Shape:
    """The body as JSON. Raises `ValidationFailed`, `UnsupportedMediaType`, `FileTooLarge`, `ClientLeft`."""
    _require_json(request)
    return json_text(await body.whole(request), shape, whole="body")


async def optional_json_body(request: Request[Any, Any, Any], shape: type[Shape]) -> Shape:
    """The same, where no body at all means an empty object."""
    text = await body.whole(request)
    if not text:
        return shape()
    _require_json(request)
    return json_text(text, shape, whole="body")


def json_text(text: bytes, shape: type[Shape], *, whole: str) -> Shape:
    """`text` as `shape`. `whole`: how an error names the text itself. Raises `ValidationFailed`."""
    try:
        return msgspec.json.decode(text, type=shape)
    except msgspec.ValidationError as error:
        raise _problem(str(error), whole) from None
    except UnicodeDecodeError:
        raise ValidationFailed.of(whole, "is not UTF-8") from None
    except (msgspec.DecodeError, ValueError) as error:
        raise ValidationFailed.of(whole, f"is not valid JSON: {error}") from None
    except RecursionError:
        raise ValidationFailed.of(whole, "is nested too deeply") from None


def _require_json(request: Request[Any, Any, Any]) -> None:
    kind = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if kind != "application/json" and not kind.endswith("+json"):
        raise UnsupportedMediaType("The body must be JSON (Content-Type: application/json).")


def query(request: Request[Any, Any, Any], shape: type[Shape]) -> Shape:
    """The parameters of the address. Raises `ValidationFailed`.

    Those that are not known or given twice are refused, not ignored: a misspelt filter would mean "everything".
    """
    values: dict[str, Any] = {}
    lists = _lists(shape)
    for name, value in _pairs(request.scope["query_string"]):
        if name in lists:
            values.setdefault(name, []).append(value)
        elif name in values:
            raise ValidationFailed.of(name, "is given twice")
        else:
            values[name] = value
    try:
        return msgspec.convert(values, type=shape, strict=False)
    except msgspec.ValidationError as error:
        raise _problem(str(error), "query") from None


def _pairs(query_string: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(
            query_string.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MAX_PARAMETERS
        )
    except UnicodeError:
        raise ValidationFailed.of("query", "the address is not percent-encoded UTF-8") from None
    except ValueError:
        raise ValidationFailed.of("query", f"at most {MAX_PARAMETERS} parameters are allowed") from None


@lru_cache
def _lists(shape: type[msgspec.Struct]) -> frozenset[str]:
    """The fields that may be given several times."""
    info = multi_type_info([shape])[0]
    assert isinstance(info, StructType)
    return frozenset(
        each.encode_name for each in info.fields if isinstance(getattr(each.type, "type", each.type), ListType)
    )


def _problem(text: str, whole: str) -> ValidationFailed:
    """What msgspec says, with the field that it speaks of."""
    found = _PATH.fullmatch(text)
    message, path = (found.group(1), found.group(2)) if found else (text, "")
    named = _NAMED.fullmatch(message)
    if named:
        path = f"{path}.{named.group(2)}" if path else named.group(2)
        message = _NAMED_MESSAGES[named.group(1)]
    return ValidationFailed.of(path[:200] or whole, message.replace("`", ""))
