r"""`Content-Disposition` of a part of a form: RFC 7578 section 4.2, as browsers and curl really write it.

Browsers put any file name between quotes and escape only `"`, CR and LF, as %22, %0D and %0A (WHATWG HTML, "multipart/
form-data encoding algorithm"); a backslash is a backslash. Older programs escape `"` as `\"` instead, and some send
`filename*` (RFC 8187), which RFC 7578 forbids but everybody reads.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from services.model.errors import ValidationFailed

_WORD = r"[A-Za-z0-9!#$%&'*+.^_`|~\-]+"
# A value between quotes ends at the first quote after which another parameter or the end follows.
_PARAMETER = re.compile(
    rf';[ \t]*({_WORD})[ \t]*=[ \t]*(?:"(.*?)"(?=[ \t]*(?:;[ \t]*{_WORD}[ \t]*=|;?[ \t]*$))|({_WORD}))[ \t]*',
    re.DOTALL,
)
_EXTENDED = re.compile(r"([A-Za-z0-9\-]+)'[A-Za-z0-9\-]*'((?:%[0-9A-Fa-f]{2}|[A-Za-z0-9!#$&+.^_`|~\-])*)")
_CHARSETS = {"utf-8": "utf-8", "iso-8859-1": "latin-1"}


@dataclass(frozen=True, slots=True)
class PartName:
    """What a part calls itself."""

    name: str
    filename: str | None
    """Exactly as the client meant it; None where the part is no file."""


def parse(value: str) -> PartName:
    """What the header's value says. Raises `ValidationFailed` when it is malformed."""
    kind, parameters = _split(value)
    if kind != "form-data" or "name" not in parameters:
        raise ValidationFailed.of("body", 'each part needs Content-Disposition: form-data; name="…"')
    extended = parameters.get("filename*")
    filename = _extended(extended) if extended is not None else parameters.get("filename")
    return PartName(
        _unescaped(parameters["name"]), filename if extended is not None or filename is None else _unescaped(filename)
    )


def _split(value: str) -> tuple[str, dict[str, str]]:
    kind, semicolon, rest = value.partition(";")
    parameters: dict[str, str] = {}
    position, text = 0, semicolon + rest.rstrip("; \t")
    while position < len(text):
        match = _PARAMETER.match(text, position)
        if match is None:
            raise ValidationFailed.of("body", "a part has a malformed Content-Disposition")
        key = match.group(1).lower()
        if key in parameters:
            raise ValidationFailed.of("body", f"a part gives {key} twice in its Content-Disposition")
        parameters[key] = match.group(3) if match.group(2) is None else match.group(2)
        position = match.end()
    return kind.strip().lower(), parameters


def _unescaped(text: str) -> str:
    if '"' in text:  # only an escaped quote can stand between quotes: an older program
        return re.sub(r'\\(["\\])', r"\1", text)
    return text.replace("%22", '"').replace("%0D", "\r").replace("%0A", "\n")


def _extended(text: str) -> str:
    match = _EXTENDED.fullmatch(text)
    charset = _CHARSETS.get(match.group(1).lower()) if match else None
    if match is None or charset is None:
        raise ValidationFailed.of("filename", "filename* must be written UTF-8''<percent-encoded name> (RFC 8187)")
    try:
        return unquote_to_bytes(match.group(2)).decode(charset)
    except UnicodeDecodeError:
        raise ValidationFailed.of("filename", "is not valid UTF-8") from None
