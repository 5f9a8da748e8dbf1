"""`python -m gateway [--describe]`: serve until SIGTERM, or say what can be set."""

from __future__ import annotations

from gateway.app import serve
from gateway.config import Settings
from services.chassis import lifespan

if __name__ == "__main__":
    lifespan.main(serve, Settings, __doc__)
