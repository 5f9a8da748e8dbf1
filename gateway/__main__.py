"""`python -m gateway`: serve until SIGTERM."""

from __future__ import annotations

from gateway.app import serve
from gateway.config import Settings
from services.chassis.lifespan import run
from services.chassis.settings import load


def main() -> None:
    """Read the settings, then serve."""
    run(serve, load(Settings))


if __name__ == "__main__":
    main()
