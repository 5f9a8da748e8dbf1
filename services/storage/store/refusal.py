"""Why an element does not start."""

from __future__ import annotations


class ElementRefused(Exception):
    """The directory must not be served as it is. The message tells the operator why, and what to do."""
