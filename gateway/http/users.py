"""People who administer, for administrators."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from litestar import Request, Response, delete, get, patch, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from gateway.http import answers, decoding
from gateway.http.bearer import Bearer
from gateway.http.resource import Resource
from gateway.http.schemas.users import (
    AdminUsersQuery,
    AdminUserUpdate,
    NewAdminUser,
    PasswordReset,
    user_of,
    user_page,
)
from gateway.ports import Users
from services.model.ids import parse_uuid

HttpRequest = Request[Any, Any, Any]


class AdminUsers(Resource):
    """`/admin-users`."""

    def __init__(self, users: Users, bearer: Bearer, *, base: str) -> None:
        """`base`: what addresses of the API begin with."""
        self._users = users
        self._bearer = bearer
        self._base = base

    def routes(self) -> Sequence[HTTPRouteHandler]:
        one = "/admin-users/{user_id:str}"
        return [
            get("/admin-users")(self.list),
            post("/admin-users")(self.create),
            get(one)(self.show),
            patch(one)(self.update),
            delete(one)(self.delete),
            post(f"{one}/reset-password")(self.reset_password),
            post(f"{one}/reset-totp")(self.reset_totp),
            post(f"{one}/unlock")(self.unlock),
        ]

    async def list(self, request: HttpRequest) -> Response[bytes]:
        """A page of users, by name."""
        identity = await self._bearer(request)
        asked = decoding.query(request, AdminUsersQuery).page()
        return answers.json(user_page(await self._users.list_users(asked, on_behalf_of=identity), asked))

    async def create(self, request: HttpRequest) -> Response[bytes]:
        """A new user."""
        identity = await self._bearer(request)
        asked = await decoding.json_body(request, NewAdminUser)
        user = await self._users.create_user(
            asked.username,
            asked.password,
            asked.role,
            full_name=asked.full_name,
            email=asked.email,
            on_behalf_of=identity,
        )
        return answers.json(user_of(user), status=201, headers={"location": f"{self._base}/admin-users/{user.id}"})

    async def show(self, request: HttpRequest, user_id: FromPath[str]) -> Response[bytes]:
        """One user."""
        identity = await self._bearer(request)
        return answers.json(user_of(await self._users.get_user(_id(user_id), on_behalf_of=identity)))

    async def update(self, request: HttpRequest, user_id: FromPath[str]) -> Response[bytes]:
        """Role, status, what is known of him."""
        identity = await self._bearer(request)
        asked = await decoding.json_body(request, AdminUserUpdate)
        return answers.json(user_of(await self._users.update_user(_id(user_id), asked.change(), on_behalf_of=identity)))

    async def delete(self, request: HttpRequest, user_id: FromPath[str]) -> Response[None]:
        """204; the second time 404."""
        identity = await self._bearer(request)
        await self._users.delete_user(_id(user_id), on_behalf_of=identity)
        return answers.nothing()

    async def reset_password(self, request: HttpRequest, user_id: FromPath[str]) -> Response[None]:
        """Another password; his sessions end, and a lock does."""
        identity = await self._bearer(request)
        asked = await decoding.json_body(request, PasswordReset)
        await self._users.reset_password(_id(user_id), asked.new_password, on_behalf_of=identity)
        return answers.nothing()

    async def reset_totp(self, request: HttpRequest, user_id: FromPath[str]) -> Response[bytes]:
        """He has no second factor any more; his sessions end."""
        identity = await self._bearer(request)
        return answers.json(user_of(await self._users.reset_totp(_id(user_id), on_behalf_of=identity)))

    async def unlock(self, request: HttpRequest, user_id: FromPath[str]) -> Response[bytes]:
        """He may try again."""
        identity = await self._bearer(request)
        return answers.json(user_of(await self._users.unlock_user(_id(user_id), on_behalf_of=identity)))


def _id(text: str) -> str:
    return parse_uuid(text, field="user_id")
