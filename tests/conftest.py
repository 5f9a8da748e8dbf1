"""For every test."""

import services  # noqa: F401 - before anything imports grpc, as in every process: TLS 1.3 only
from tests.support.postgres import postgres

__all__ = ["postgres"]
