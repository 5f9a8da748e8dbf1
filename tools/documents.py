"""Documents that are made from the code: `python -m tools.documents write`, and `check`, which only compares."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable
from pathlib import Path

from tools import metrics, settings

ROOT = Path(__file__).resolve().parents[1]

DOCUMENTS: dict[str, Callable[[], str]] = {
    "docs/settings.md": settings.document,
    ".env.example": settings.example,
    "docs/metrics.md": metrics.document,
}
"""What makes each, by its path."""


def write() -> None:
    """Write all of them."""
    for name, make in DOCUMENTS.items():
        (ROOT / name).parent.mkdir(exist_ok=True)
        (ROOT / name).write_text(make(), "utf-8")


def differences() -> list[str]:
    """Return what the documents in the tree lack or have too much, as a diff."""
    found: list[str] = []
    for name, make in DOCUMENTS.items():
        present = (ROOT / name).read_text("utf-8") if (ROOT / name).exists() else ""
        found += difflib.unified_diff(present.splitlines(), make().splitlines(), name, f"{name} as it should be", n=0)
    return found


def main(arguments: list[str]) -> int:
    """Do what is asked for; return the exit status."""
    if arguments == ["write"]:
        write()
        return 0
    if arguments != ["check"]:
        print(__doc__, file=sys.stderr)
        return 2
    if found := differences():
        print("\n".join(found), "\nThese documents are made from the code: run nox -s docs.", sep="\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
