"""Names on their way out: safe in a header, and the same when they come back where they are harmless."""

from __future__ import annotations

import unicodedata
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.http.disposition import attachment


def parts(value: str) -> tuple[str, str]:
    """The fallback and the decoded name."""
    head, _, extended = value.partition("; filename*=UTF-8''")
    assert head.startswith('attachment; filename="')
    assert head.endswith('"')
    return head[len('attachment; filename="') : -1], unquote(extended, errors="strict")


@pytest.mark.parametrize(
    ("name", "fallback", "extended"),
    [
        ("report.pdf", "report.pdf", "report.pdf"),
        ("Договор №7.pdf", "_______ _7.pdf", "Договор №7.pdf"),
        ('quo"te\\.txt', "quo_te_.txt", 'quo"te_.txt'),
        ("../../etc/passwd", ".._.._etc_passwd", ".._.._etc_passwd"),
        ("a\r\nSet-Cookie: x", "a__Set-Cookie: x", "a__Set-Cookie: x"),
        ("\u202egpj.exe", "_gpj.exe", "_gpj.exe"),
        ("100%41.txt", "100_41.txt", "100%41.txt"),
        ("'apostrophe*.txt", "'apostrophe*.txt", "'apostrophe*.txt"),
        (" ", "_", " "),
        ("\x7f\x85\u2028", "___", "___"),
        ("🙂.png", "_.png", "🙂.png"),
    ],
)
def test_names(name: str, fallback: str, extended: str) -> None:
    assert parts(attachment(name)) == (fallback, extended)


@given(st.text(min_size=1))
def test_no_name_leaves_the_header(name: str) -> None:
    value = attachment(name)
    assert value.isascii()
    assert value.isprintable()
    fallback, extended = parts(value)
    assert '"' not in fallback
    assert "\\" not in fallback
    assert not set("/\\") & set(extended)
    assert not any(unicodedata.category(c) in ("Cc", "Cf") for c in extended)
    assert len(extended) == len(name)
    harmless = [c for c in name if c not in "/\\" and unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Zl", "Zp")]
    assert [c for c, o in zip(extended, name, strict=True) if c == o] == harmless or "_" in name
