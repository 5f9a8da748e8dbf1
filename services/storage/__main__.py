"""`python -m services.storage [serve | seal FILE | --describe]`."""

from __future__ import annotations

import sys
from pathlib import Path

from services.chassis.lifespan import run, show_settings
from services.chassis.settings import load
from services.storage.app import seal_file, serve
from services.storage.config import Settings


def main(arguments: list[str]) -> None:
    """Do what is asked for. Raises `SystemExit` with a reason, or with status 2 for arguments or settings."""
    match arguments:
        case [] | ["serve"]:
            run(serve, load(Settings))
        case ["seal", name]:
            seal_file(Path(name))
        case ["--describe"]:
            show_settings(Settings)
        case _:
            print(__doc__, file=sys.stderr)
            sys.exit(2)


if __name__ == "__main__":
    main(sys.argv[1:])
