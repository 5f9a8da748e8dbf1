"""HEAD, wherever GET is: RFC 9110 section 9.1 asks every server for both, and monitors rely on it."""

from __future__ import annotations

from services.chassis.http import AsgiApp, Receive, Scope, Send

_OWN = "/download"
"""Ends the addresses that answer HEAD themselves: their GET would begin to read a document."""


class Heads:
    """Wraps the whole application: answers HEAD as it would GET. The server leaves the body out, not its length."""

    def __init__(self, app: AsgiApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "HEAD" and not scope["path"].endswith(_OWN):
            scope = {**scope, "method": "GET"}
        await self._app(scope, receive, send)
