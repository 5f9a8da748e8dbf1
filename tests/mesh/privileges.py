"""Who may call what: every address of the REST surface and every RPC, each with a row. A new one needs its row here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

UNKNOWN = "0198c0de-0000-7000-8000-000000000000"
"""Stands for every id in a path: there is no such thing, so whoever may ask is told 404."""

PUBLIC = "public"
"""Needs nobody's permission."""
ANYBODY = "anybody"
"""Any valid token."""
PERSON = "person"
"""A valid token of a person, whatever his role."""

WRONG_DIGEST = {"Repr-Digest": "sha-256=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:"}
"""With it an upload that is allowed keeps nothing."""
EMPTY_FORM = (
    b'--x\r\nContent-Disposition: form-data; name="metadata"\r\n\r\n{"retention_policy": "temporary"}\r\n'
    b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\na\r\n--x--\r\n'
)


@dataclass(frozen=True)
class Row:
    """Who may, and a request that gets as far as the service behind the edge, and does no harm there."""

    needs: str
    """A scope, or one of the words above."""
    request: dict[str, Any] = field(default_factory=dict)
    """Arguments for httpx."""


def _json(needs: str, **body: Any) -> Row:
    return Row(needs, {"json": body})


REST: dict[str, Row] = {
    "POST /auth/token": Row(PUBLIC),
    "POST /auth/revoke": Row(PUBLIC),
    "POST /auth/introspect": Row("admin:read", {"data": {"token": "unknown"}}),
    "GET /auth/jwks": Row(PUBLIC),
    "POST /auth/login": _json(PUBLIC),
    "POST /auth/refresh": _json(PUBLIC),
    "POST /auth/logout": _json(PUBLIC, refresh_token="unknown"),
    "GET /auth/me": Row(ANYBODY),
    "POST /auth/change-password": _json(PERSON, current_password="x", new_password="x"),
    "POST /auth/totp/enrol": _json(PERSON, current_password=""),
    "POST /auth/totp/confirm": _json(PERSON, totp=""),
    "POST /auth/totp/recovery-codes": _json(PERSON, current_password="", totp=""),
    "POST /auth/totp/disable": _json(PERSON, current_password="", totp=""),
    "GET /auth/keys": Row("admin:read"),
    "POST /auth/keys/rotate": Row("admin:write"),
    "GET /service-accounts": Row("admin:read"),
    "POST /service-accounts": _json("admin:write", name="Not a name", scopes=[]),
    "GET /service-accounts/{account_id}": Row("admin:read"),
    "PATCH /service-accounts/{account_id}": _json("admin:write", description="x"),
    "DELETE /service-accounts/{account_id}": Row("admin:write"),
    "POST /service-accounts/{account_id}/rotate-secret": Row("admin:write"),
    "GET /admin-users": Row("admin:read"),
    "POST /admin-users": _json("admin:write", username="sa_x", password="x", role="readonly"),
    "GET /admin-users/{user_id}": Row("admin:read"),
    "PATCH /admin-users/{user_id}": _json("admin:write", full_name="x"),
    "DELETE /admin-users/{user_id}": Row("admin:write"),
    "POST /admin-users/{user_id}/reset-password": _json("admin:write", new_password="x"),
    "POST /admin-users/{user_id}/reset-totp": Row("admin:write"),
    "POST /admin-users/{user_id}/unlock": Row("admin:write"),
    "GET /files": Row("files:read", {"params": {"limit": 1}}),
    "POST /files/upload": Row(
        "files:write",
        {"content": EMPTY_FORM, "headers": {"Content-Type": "multipart/form-data; boundary=x", **WRONG_DIGEST}},
    ),
    "PUT /files/content": Row(
        "files:write",
        {
            "content": b"a",
            "headers": WRONG_DIGEST,
            "params": {"filename": "a", "retention_policy": "temporary"},
        },
    ),
    "GET /files/{file_id}": Row("files:read"),
    "PATCH /files/{file_id}": _json("files:write", description="x"),
    "DELETE /files/{file_id}": Row("files:write"),
    "POST /files/{file_id}/verify": Row("files:read"),
    "GET /files/{file_id}/download": Row("files:read"),
    "HEAD /files/{file_id}/download": Row("files:read"),
    "POST /search": _json("files:read", query="x", limit=1),
    "GET /storage-elements": Row("storage:read"),
    "POST /storage-elements": _json("storage:write", endpoint="127.0.0.1:1"),
    "POST /storage-elements/discover": _json("storage:read", endpoint="127.0.0.1:1"),
    "GET /storage-elements/{element_id}": Row("storage:read"),
    "PATCH /storage-elements/{element_id}": _json("storage:write", name="x"),
    "DELETE /storage-elements/{element_id}": Row("storage:write"),
    "GET /storage-elements/{element_id}/files": Row("storage:read"),
    "GET /storage-elements/{element_id}/quarantine": Row("storage:read"),
    "POST /storage-elements/{element_id}/quarantine/{item_id}/restore": Row("storage:write"),
    "GET /storage-elements/{element_id}/info": Row("storage:read"),
    "POST /storage-elements/{element_id}/mode/transition": _json("storage:write", target_mode="ro"),
    "POST /storage-elements/{element_id}/sync": Row("storage:write"),
    "POST /storage-elements/{element_id}/maintenance/reconcile": Row("storage:write"),
    "POST /storage-elements/{element_id}/maintenance/scrub": Row("storage:write"),
    "GET /operations": Row("storage:read", {"params": {"limit": 1}}),
    "GET /operations/{operation_id}": Row("storage:read"),
    "DELETE /operations/{operation_id}": Row("storage:write"),
    "GET /health/live": Row(PUBLIC),
    "GET /health/ready": Row(PUBLIC),
}
"""By method and path as the OpenAPI document has them."""

EDGE, INSIDE = True, False

RPCS: dict[str, tuple[str, bool]] = {
    "artstore.admin.v1.AccountControlService/CreateAccount": ("admin:write", EDGE),
    "artstore.admin.v1.AccountControlService/DeleteAccount": ("admin:write", EDGE),
    "artstore.admin.v1.AccountControlService/RotateAccountSecret": ("admin:write", EDGE),
    "artstore.admin.v1.AccountControlService/UpdateAccount": ("admin:write", EDGE),
    "artstore.admin.v1.AccountReadService/GetAccount": ("admin:read", EDGE),
    "artstore.admin.v1.AccountReadService/ListAccounts": ("admin:read", EDGE),
    "artstore.admin.v1.AuthService/IssueToken": ("nobody", INSIDE),
    "artstore.admin.v1.AuthService/RevokeToken": ("nobody", INSIDE),
    "artstore.admin.v1.ElementControlService/RegisterElement": ("storage:write", EDGE),
    "artstore.admin.v1.ElementControlService/RemoveElement": ("storage:write", EDGE),
    "artstore.admin.v1.ElementControlService/UpdateElement": ("storage:write", EDGE),
    "artstore.admin.v1.ElementLiveService/GetElementInfo": ("storage:read", EDGE),
    "artstore.admin.v1.ElementLiveService/ListElementFiles": ("storage:read", EDGE),
    "artstore.admin.v1.ElementMaintenanceService/CollectElementGarbage": ("storage:write", EDGE),
    "artstore.admin.v1.ElementMaintenanceService/ReconcileElement": ("storage:write", EDGE),
    "artstore.admin.v1.ElementMaintenanceService/ScrubElement": ("storage:write", EDGE),
    "artstore.admin.v1.ElementMaintenanceService/SyncElement": ("storage:write", EDGE),
    "artstore.admin.v1.ElementMaintenanceService/TransitionElementMode": ("storage:write", EDGE),
    "artstore.admin.v1.ElementReadService/DiscoverElement": ("storage:read", EDGE),
    "artstore.admin.v1.ElementReadService/GetElement": ("storage:read", EDGE),
    "artstore.admin.v1.ElementReadService/ListElements": ("storage:read", EDGE),
    "artstore.admin.v1.FileCheckService/VerifyFile": ("files:read", EDGE),
    "artstore.admin.v1.HealthWatchService/WatchElements": ("storage:read", EDGE),
    "artstore.admin.v1.KeyService/GetJwks": ("nobody", INSIDE),
    "artstore.admin.v1.OperationControlService/CancelOperation": ("storage:write", EDGE),
    "artstore.admin.v1.OperationReadService/GetOperation": ("storage:read", EDGE),
    "artstore.admin.v1.OperationReadService/ListOperations": ("storage:read", EDGE),
    "artstore.admin.v1.OperationWatchService/WatchOperation": ("storage:read", EDGE),
    "artstore.admin.v1.PlacementService/ReportElementFailure": ("nobody", INSIDE),
    "artstore.admin.v1.PlacementService/SelectElement": ("files:write", INSIDE),
    "artstore.admin.v1.QuarantineControlService/RestoreQuarantinedItem": ("storage:write", EDGE),
    "artstore.admin.v1.QuarantineReadService/ListElementQuarantine": ("storage:read", EDGE),
    "artstore.admin.v1.RegistryRepairService/MarkMissing": ("files:read", INSIDE),
    "artstore.admin.v1.RegistryWriteService/LocateFile": ("files:write", INSIDE),
    "artstore.admin.v1.RegistryWriteService/RegisterFile": ("nobody", INSIDE),
    "artstore.admin.v1.SelfService/ChangePassword": ("anybody", EDGE),
    "artstore.admin.v1.SelfService/GetSelf": ("anybody", EDGE),
    "artstore.admin.v1.SessionService/Login": ("nobody", INSIDE),
    "artstore.admin.v1.SessionService/Logout": ("nobody", INSIDE),
    "artstore.admin.v1.SessionService/Refresh": ("nobody", INSIDE),
    "artstore.admin.v1.SigningKeyControlService/RotateSigningKey": ("admin:write", EDGE),
    "artstore.admin.v1.SigningKeyReadService/ListSigningKeys": ("admin:read", EDGE),
    "artstore.admin.v1.TokenReadService/IntrospectToken": ("admin:read", EDGE),
    "artstore.admin.v1.TotpService/ConfirmTotp": ("anybody", EDGE),
    "artstore.admin.v1.TotpService/DisableTotp": ("anybody", EDGE),
    "artstore.admin.v1.TotpService/EnrolTotp": ("anybody", EDGE),
    "artstore.admin.v1.TotpService/ReplaceRecoveryCodes": ("anybody", EDGE),
    "artstore.admin.v1.UserControlService/CreateUser": ("admin:write", EDGE),
    "artstore.admin.v1.UserControlService/DeleteUser": ("admin:write", EDGE),
    "artstore.admin.v1.UserControlService/ResetPassword": ("admin:write", EDGE),
    "artstore.admin.v1.UserControlService/ResetTotp": ("admin:write", EDGE),
    "artstore.admin.v1.UserControlService/UnlockUser": ("admin:write", EDGE),
    "artstore.admin.v1.UserControlService/UpdateUser": ("admin:write", EDGE),
    "artstore.admin.v1.UserReadService/GetUser": ("admin:read", EDGE),
    "artstore.admin.v1.UserReadService/ListUsers": ("admin:read", EDGE),
    "artstore.ingester.v1.IngestService/DeleteFile": ("files:write", EDGE),
    "artstore.ingester.v1.IngestService/UpdateFile": ("files:write", EDGE),
    "artstore.ingester.v1.IngestService/Upload": ("files:write", EDGE),
    "artstore.query.v1.QueryService/Download": ("files:read", EDGE),
    "artstore.query.v1.QueryService/GetFile": ("files:read", EDGE),
    "artstore.query.v1.QueryService/Search": ("files:read", EDGE),
    "artstore.storage.v1.StorageControlService/ListQuarantine": ("storage:read", INSIDE),
    "artstore.storage.v1.StorageControlService/Reconcile": ("storage:write", INSIDE),
    "artstore.storage.v1.StorageControlService/RestoreQuarantined": ("storage:write", INSIDE),
    "artstore.storage.v1.StorageControlService/RunGc": ("storage:write", INSIDE),
    "artstore.storage.v1.StorageControlService/RunScrub": ("storage:write", INSIDE),
    "artstore.storage.v1.StorageControlService/TransitionMode": ("storage:write", INSIDE),
    "artstore.storage.v1.StorageFeedService/ListDestroyed": ("storage:read", INSIDE),
    "artstore.storage.v1.StorageFeedService/WatchChanges": ("storage:read", INSIDE),
    "artstore.storage.v1.StorageControlService/VerifyFile": ("files:read", INSIDE),
    "artstore.storage.v1.StorageReadService/Download": ("files:read", INSIDE),
    "artstore.storage.v1.StorageReadService/GetFile": ("files:read", INSIDE),
    "artstore.storage.v1.StorageReadService/GetInfo": ("storage:read", INSIDE),
    "artstore.storage.v1.StorageReadService/ListFiles": ("storage:read", INSIDE),
    "artstore.storage.v1.StorageUploadService/AbortUpload": ("files:write", INSIDE),
    "artstore.storage.v1.StorageUploadService/AppendUpload": ("files:write", INSIDE),
    "artstore.storage.v1.StorageUploadService/CompleteUpload": ("files:write", INSIDE),
    "artstore.storage.v1.StorageUploadService/CreateUpload": ("files:write", INSIDE),
    "artstore.storage.v1.StorageUploadService/GetUpload": ("files:write", INSIDE),
    "artstore.storage.v1.StorageWriteService/DeleteFile": ("files:write", INSIDE),
    "artstore.storage.v1.StorageWriteService/ImportFile": ("files:write", INSIDE),
    "artstore.storage.v1.StorageWriteService/StoreFile": ("files:write", INSIDE),
    "artstore.storage.v1.StorageWriteService/StoreFiles": ("files:write", INSIDE),
    "artstore.storage.v1.StorageWriteService/UpdateFile": ("files:write", INSIDE),
    "artstore.storage.v1.StorageWriteService/Upload": ("files:write", INSIDE),
}
"""By name: the scope, "anybody" (a valid token) or "nobody" (no user stands behind it), and whether it is public."""
