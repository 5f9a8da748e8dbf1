"""What can be asked about people and their sessions."""

from __future__ import annotations

from gateway.http.openapi.parts import Json, answer, errors, json_of, operation, path_id, query_of
from gateway.http.schemas.users import (
    AdminUser,
    AdminUserPage,
    AdminUsersQuery,
    AdminUserUpdate,
    LoginAnswer,
    LoginRequest,
    Me,
    NewAdminUser,
    PasswordChange,
    PasswordReset,
    RefreshRequest,
)

_PUBLIC: Json = {"security": []}
_ID = path_id("user_id", "The user's id.")
_TAG = "admin users"

SESSIONS: Json = {
    "/auth/login": {
        "post": operation(
            "auth", "login", "Begin a person's session", **_PUBLIC,
            description="Several failures in a row lock a name for a while: 423 with `Retry-After`.",
            requestBody={"required": True, "content": json_of(LoginRequest)},
            responses={"200": answer("Tokens.", json_of(LoginAnswer)), **errors(400, 401, 413, 415, 423, 429)},
        )
    },
    "/auth/refresh": {
        "post": operation(
            "auth", "refresh", "Go on with a session", **_PUBLIC,
            description="The refresh token is spent, and another one comes. One spent before ends the session.",
            requestBody={"required": True, "content": json_of(RefreshRequest)},
            responses={"200": answer("Tokens.", json_of(LoginAnswer)), **errors(400, 401, 413, 415)},
        )
    },
    "/auth/logout": {
        "post": operation(
            "auth", "logout", "End a session", **_PUBLIC,
            requestBody={"required": True, "content": json_of(RefreshRequest)},
            responses={"204": answer("There is no such session any more."), **errors(400, 413, 415)},
        )
    },
    "/auth/me": {
        "get": operation(
            "auth", "me", "Who is behind the token",
            responses={"200": answer("Whoever it is.", json_of(Me)), **errors(401)},
        )
    },
    "/auth/change-password": {
        "post": operation(
            "auth", "changePassword", "Change one's own password",
            description="Every session ends, this one too.",
            requestBody={"required": True, "content": json_of(PasswordChange)},
            responses={"204": answer("Changed."), **errors(400, 401, 403, 413, 415, 423, 429)},
        )
    },
}  # fmt: skip

USERS: Json = {
    "/admin-users": {
        "get": operation(
            _TAG, "listAdminUsers", "Users, by name",
            parameters=query_of(AdminUsersQuery),
            responses={"200": answer("A page.", json_of(AdminUserPage)), **errors(400, 401, 403)},
        ),
        "post": operation(
            _TAG, "createAdminUser", "Make a user",
            requestBody={"required": True, "content": json_of(NewAdminUser)},
            responses={
                "201": answer("Made.", json_of(AdminUser), {"Location": "Of the user."}),
                **errors(400, 401, 403, 409, 413, 415, 429),
            },
        ),
    },
    "/admin-users/{user_id}": {
        "get": operation(
            _TAG, "getAdminUser", "One user",
            parameters=[_ID],
            responses={"200": answer("The user.", json_of(AdminUser)), **errors(400, 401, 403, 404)},
        ),
        "patch": operation(
            _TAG, "updateAdminUser", "Change role, status or what is known of a user",
            description="Disabling ends his sessions. The last administrator stays one.",
            parameters=[_ID],
            requestBody={"required": True, "content": json_of(AdminUserUpdate)},
            responses={
                "200": answer("The user.", json_of(AdminUser)), **errors(400, 401, 403, 404, 409, 413, 415),
            },
        ),
        "delete": operation(
            _TAG, "deleteAdminUser", "Remove a user (never the last administrator)",
            parameters=[_ID],
            responses={"204": answer("Removed."), **errors(400, 401, 403, 404, 409)},
        ),
    },
    "/admin-users/{user_id}/reset-password": {
        "post": operation(
            _TAG, "resetPassword", "Give a user another password",
            description="His sessions end, and so does a lock.",
            parameters=[_ID],
            requestBody={"required": True, "content": json_of(PasswordReset)},
            responses={"204": answer("Changed."), **errors(400, 401, 403, 404, 413, 415, 429)},
        )
    },
    "/admin-users/{user_id}/reset-totp": {
        "post": operation(
            _TAG, "resetTotp", "Take a user's second factor away",
            description="For who has lost it. His sessions end.",
            parameters=[_ID],
            responses={"200": answer("As he is now.", json_of(AdminUser)), **errors(400, 401, 403, 404)},
        )
    },
    "/admin-users/{user_id}/unlock": {
        "post": operation(
            _TAG, "unlockAdminUser", "Let a user try again who is locked out",
            parameters=[_ID],
            responses={"200": answer("The user.", json_of(AdminUser)), **errors(400, 401, 403, 404)},
        )
    },
}  # fmt: skip
