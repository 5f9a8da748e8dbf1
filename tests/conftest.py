"""For every test."""

from hypothesis import HealthCheck, settings

import services  # noqa: F401 - before anything imports grpc, as in every process: TLS 1.3 only
from tests.support.postgres import postgres

__all__ = ["postgres"]

# What a test finds must not depend on how busy the machine is.
settings.register_profile("artstore", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("artstore")
