"""`Content-Disposition` of a download, safe for any file name: RFC 6266, RFC 8187."""

from __future__ import annotations

import unicodedata
from urllib.parse import quote

_ATTR_CHAR = "!#$&+-.^_`|~"
"""What RFC 8187 section 3.2.1 leaves unescaped, beside letters and digits."""
_NOT_IN_FALLBACK = frozenset('"\\%')
"""Recipients disagree on what these mean between quotes (RFC 6266 appendix D)."""


def attachment(name: str) -> str:
    """The header's value for a document of this name: an ASCII fallback and the name itself in UTF-8.

    What could leave the header, the folder of the person who saves it, or the reader's trust in what the extension
    is (path separators, control characters, marks that reverse the direction of writing) becomes "_".
    """
    safe = "".join("_" if _dangerous(character) else character for character in name)
    return f"attachment; filename=\"{_fallback(safe)}\"; filename*=UTF-8''{quote(safe, safe=_ATTR_CHAR)}"


def _dangerous(character: str) -> bool:
    # Cc: controls, Cf: invisible format characters, among them the bidirectional ones; Zl, Zp: line separators.
    return character in "/\\" or unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp")


def _fallback(name: str) -> str:
    plain = "".join(c if " " <= c <= "~" and c not in _NOT_IN_FALLBACK else "_" for c in name)
    return plain.strip() or "_"
