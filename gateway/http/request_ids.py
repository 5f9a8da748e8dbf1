"""The id of each request: the caller's if it is a valid one, else a new one; in every answer and every log line."""

from __future__ import annotations

from structlog.contextvars import bound_contextvars

from services.chassis import request_id
from services.chassis.http import AsgiApp, Message, Receive, Scope, Send

_NAME = request_id.HEADER.encode()


class RequestIds:
    """Wraps the whole application, so that no answer is without one."""

    def __init__(self, app: AsgiApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = [value.decode("latin-1") for name, value in scope["headers"] if name == _NAME]
        current = request_id.accept(given[0] if len(given) == 1 else None)
        request_id.bind(current)
        header = (_NAME, current.encode())

        async def with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], header]
            await send(message)

        with bound_contextvars(request_id=current, request=f"{scope['method']} {scope['path']}"):
            await self._app(scope, receive, with_id)
