"""REST: one file a resource, and small ones for what HTTP makes difficult. `site` puts them together."""

from gateway.http.health import Health
from gateway.http.site import Services, site

__all__ = ["Health", "Services", "site"]
