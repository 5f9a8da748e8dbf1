"""The bricks of the document: parameters, bodies, answers."""

from __future__ import annotations

from typing import Any

import msgspec

from gateway.http.errors import HTTP_STATUS
from gateway.http.schemas.accounts import (
    NewServiceAccount,
    SecretRotation,
    ServiceAccount,
    ServiceAccountPage,
    ServiceAccountsQuery,
    ServiceAccountUpdate,
    ServiceAccountWithSecret,
)
from gateway.http.schemas.auth import ServerMetadata, TokenAnswer, TokenError, TokenIntrospection
from gateway.http.schemas.elements import (
    ElementAddress,
    ElementPage,
    ElementRemoval,
    ElementsQuery,
    ElementUpdate,
    NewElement,
    StorageElement,
)
from gateway.http.schemas.errors import ErrorAnswer
from gateway.http.schemas.files import ContentQuery, File, FilePage, FileUpdate, UploadMetadata
from gateway.http.schemas.keeping import QuarantinePage, QuarantineQuery, SetAside, Verification
from gateway.http.schemas.keys import Key, KeyList
from gateway.http.schemas.maintenance import DiscoveredElement, ElementFilesQuery, ElementNow, ModeTransition
from gateway.http.schemas.operations import (
    OperationPage,
    OperationShown,
    OperationsQuery,
    ReconcileQuery,
    ScrubQuery,
    SyncQuery,
)
from gateway.http.schemas.search import FilesQuery, SearchAnswer, SearchBody
from gateway.http.schemas.totp import RecoveryCodes, TotpConfirmation, TotpEnrolment, TotpProof, TotpSecret
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
from services.model.errors import ErrorCode

Json = dict[str, Any]

_STRUCTS: list[type[msgspec.Struct]] = [
    File, FilePage, UploadMetadata, FileUpdate, ContentQuery, FilesQuery, SearchBody, SearchAnswer, StorageElement,
    ElementPage, NewElement, ElementsQuery, TokenAnswer, TokenError, TokenIntrospection, ServerMetadata,
    ErrorAnswer,
    ServiceAccount, ServiceAccountWithSecret, ServiceAccountPage, ServiceAccountsQuery, NewServiceAccount,
    ServiceAccountUpdate, SecretRotation, Key, KeyList, LoginRequest, LoginAnswer, RefreshRequest, Me,
    TotpEnrolment, TotpSecret, TotpConfirmation, TotpProof, RecoveryCodes,
    PasswordChange, AdminUser, AdminUserPage, AdminUsersQuery, NewAdminUser, AdminUserUpdate, PasswordReset,
    ElementNow, ElementFilesQuery, ModeTransition, DiscoveredElement, ElementAddress, ElementUpdate, ElementRemoval,
    OperationShown, OperationPage, OperationsQuery, ReconcileQuery, ScrubQuery, SyncQuery,
    Verification, SetAside, QuarantinePage, QuarantineQuery,
]  # fmt: skip
_PLACE = "#/components/schemas/{name}"

ERRORS: dict[int, str] = {
    status: ", ".join(code.value for code in ErrorCode if HTTP_STATUS[code] == status)
    for status in sorted(set(HTTP_STATUS.values()))
}
"""The codes of each status, for descriptions."""


def schemas() -> Json:
    """JSON Schema (2020-12, which OpenAPI 3.1 speaks) of every shape."""
    return dict(sorted(msgspec.json.schema_components(_STRUCTS, ref_template=_PLACE)[1].items()))


def operation(tag: str, name: str, summary: str, **rest: object) -> Json:
    """One method of one path."""
    return {"tags": [tag], "operationId": name, "summary": summary, **rest}


def ref(shape: type[msgspec.Struct]) -> Json:
    """A reference to the schema of `shape`."""
    return {"$ref": _PLACE.format(name=shape.__name__)}


def json_of(shape: type[msgspec.Struct]) -> Json:
    """A body of JSON with that shape."""
    return {"application/json": {"schema": ref(shape)}}


def query_of(shape: type[msgspec.Struct]) -> list[Json]:
    """The parameters of an address, from the fields of a Struct."""
    schema = msgspec.json.schema_components([shape], ref_template=_PLACE)[1][shape.__name__]
    required = set(schema.get("required", ()))
    return [_parameter(name, each, required=name in required) for name, each in schema["properties"].items()]


def path_id(name: str, description: str) -> Json:
    """An identifier in the path."""
    schema = {"type": "string", "format": "uuid"}
    return {"name": name, "in": "path", "required": True, "description": description, "schema": schema}


def header(name: str, description: str, *, schema: Json | None = None) -> Json:
    """An optional header of a request."""
    return {"name": name, "in": "header", "description": description, "schema": schema or {"type": "string"}}


def answer(description: str, content: Json | None = None, headers: dict[str, str] | None = None) -> Json:
    """An answer; `headers`: name → description."""
    found: Json = {"description": description}
    if content is not None:
        found["content"] = content
    if headers:
        found["headers"] = {name: {"description": text, "schema": {"type": "string"}} for name, text in headers.items()}
    return found


def errors(*statuses: int) -> Json:
    """The refusals that an operation knows, and those that any may meet."""
    all_of_them = sorted({*statuses, 429, 500, 503, 504})
    return {str(status): {"$ref": f"#/components/responses/{status}"} for status in all_of_them}


def error_responses() -> Json:
    """Every refusal, in the one format."""
    return {str(status): _error(status, codes) for status, codes in ERRORS.items()}


def _error(status: int, codes: str) -> Json:
    found = answer(f"{codes}.", json_of(ErrorAnswer))
    if status in (429, 503):
        found["headers"] = {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}}}
    return found


def _parameter(name: str, schema: Json, *, required: bool) -> Json:
    plain = {key: value for key, value in schema.items() if key != "description"}
    found: Json = {"name": name, "in": "query", "required": required, "schema": plain}
    if "description" in schema:
        found["description"] = schema["description"]
    return found
