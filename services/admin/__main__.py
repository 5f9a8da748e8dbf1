"""`python -m services.admin [serve | migrate | rotate-system-secret | --describe]`."""

from __future__ import annotations

import asyncio
import sys

from services.admin.app import migrate, rotate_system_secret, serve
from services.admin.config import DatabaseSettings, MigrateSettings, Settings
from services.chassis.lifespan import run, show_settings
from services.chassis.settings import load


def main(arguments: list[str]) -> None:
    """Do what is asked for. Raises `SystemExit` with a reason, or with status 2 for arguments or settings."""
    match arguments:
        case [] | ["serve"]:
            run(serve, load(Settings))
        case ["migrate"]:
            asyncio.run(migrate(load(MigrateSettings)))
        case ["rotate-system-secret"]:
            client_id, secret = asyncio.run(rotate_system_secret(load(DatabaseSettings)))
            print(f"client_id={client_id}\nclient_secret={secret}")
        case ["--describe"]:
            show_settings(Settings, MigrateSettings)
        case _:
            print(__doc__, file=sys.stderr)
            sys.exit(2)


if __name__ == "__main__":
    main(sys.argv[1:])
