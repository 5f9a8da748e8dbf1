"""`python -m services.query [--describe]`: serve until SIGTERM, or say what can be set."""

from __future__ import annotations

from services.chassis import lifespan
from services.query.app import serve
from services.query.config import Settings

if __name__ == "__main__":
    lifespan.main(serve, Settings, __doc__)
