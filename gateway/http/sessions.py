"""People log in and out, and ask who they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler

from gateway.http import answers, decoding
from gateway.http.bearer import Bearer
from gateway.http.resource import Resource
from gateway.http.schemas.users import LoginRequest, PasswordChange, RefreshRequest, me_of, session_of
from gateway.ports import Sessions

HttpRequest = Request[Any, Any, Any]


class LoginSessions(Resource):
    """`/auth/login` and its like."""

    def __init__(self, sessions: Sessions, bearer: Bearer) -> None:
        self._sessions = sessions
        self._bearer = bearer

    def routes(self) -> Sequence[HTTPRouteHandler]:
        return [
            post("/auth/login")(self.login),
            post("/auth/refresh")(self.refresh),
            post("/auth/logout")(self.logout),
            get("/auth/me")(self.me),
            post("/auth/change-password")(self.change_password),
        ]

    async def login(self, request: HttpRequest) -> Response[bytes]:
        """Begin a session."""
        asked = await decoding.json_body(request, LoginRequest)
        return answers.json(session_of(await self._sessions.login(asked.username, asked.password, asked.totp)))

    async def refresh(self, request: HttpRequest) -> Response[bytes]:
        """Go on with a session: the token is spent, another one comes."""
        asked = await decoding.json_body(request, RefreshRequest)
        return answers.json(session_of(await self._sessions.refresh(asked.refresh_token)))

    async def logout(self, request: HttpRequest) -> Response[None]:
        """End a session; 204 whether or not there was one."""
        asked = await decoding.json_body(request, RefreshRequest)
        await self._sessions.logout(asked.refresh_token)
        return answers.nothing()

    async def me(self, request: HttpRequest) -> Response[bytes]:
        """Who is behind the token."""
        identity = await self._bearer(request)
        return answers.json(me_of(await self._sessions.get_self(on_behalf_of=identity)))

    async def change_password(self, request: HttpRequest) -> Response[None]:
        """One's own; every session ends."""
        identity = await self._bearer(request)
        asked = await decoding.json_body(request, PasswordChange)
        await self._sessions.change_password(asked.current_password, asked.new_password, on_behalf_of=identity)
        return answers.nothing()
