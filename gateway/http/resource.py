"""What every resource is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Self

from litestar.handlers import HTTPRouteHandler


class Resource(ABC):
    """A part of the surface: some addresses, and what they need."""

    @abstractmethod
    def routes(self) -> Sequence[HTTPRouteHandler]:
        """Its handlers, with addresses that begin after the base of the API."""

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Litestar copies handlers deeply, and with the methods of a resource whatever that holds: connections."""
        return self
