"""`python -m services.ingester [--describe]`: serve until SIGTERM, or say what can be set."""

from __future__ import annotations

from services.chassis import lifespan
from services.ingester.app import serve
from services.ingester.config import Settings

if __name__ == "__main__":
    lifespan.main(serve, Settings, __doc__)
