"""`python -m services.query`: serve until SIGTERM."""

from __future__ import annotations

from services.chassis.lifespan import run
from services.chassis.settings import load
from services.query.app import serve
from services.query.config import Settings


def main() -> None:
    """Read the settings, then serve."""
    run(serve, load(Settings))


if __name__ == "__main__":
    main()
