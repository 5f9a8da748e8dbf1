"""What can be asked about service accounts."""

from __future__ import annotations

from gateway.http.openapi.parts import Json, answer, errors, json_of, operation, path_id, query_of
from gateway.http.schemas.accounts import (
    NewServiceAccount,
    SecretRotation,
    ServiceAccount,
    ServiceAccountPage,
    ServiceAccountsQuery,
    ServiceAccountUpdate,
    ServiceAccountWithSecret,
)

_ID = path_id("account_id", "The account's id (not its client id).")
_TAG = "service accounts"

ACCOUNTS: Json = {
    "/service-accounts": {
        "get": operation(
            _TAG, "listServiceAccounts", "Service accounts, by name",
            parameters=query_of(ServiceAccountsQuery),
            responses={"200": answer("A page.", json_of(ServiceAccountPage)), **errors(400, 401, 403)},
        ),
        "post": operation(
            _TAG, "createServiceAccount", "Make a service account",
            description="The secret cannot be asked for again. Nobody gives out a scope that he lacks.",
            requestBody={"required": True, "content": json_of(NewServiceAccount)},
            responses={
                "201": answer("Made.", json_of(ServiceAccountWithSecret), {"Location": "Of the account."}),
                **errors(400, 401, 403, 413, 415),
            },
        ),
    },
    "/service-accounts/{account_id}": {
        "get": operation(
            _TAG, "getServiceAccount", "One service account",
            parameters=[_ID],
            responses={"200": answer("The account.", json_of(ServiceAccount)), **errors(400, 401, 403, 404)},
        ),
        "patch": operation(
            _TAG, "updateServiceAccount", "Change description, scopes or status",
            description="Tokens issued before keep their scopes to their end, but change nothing any more.",
            parameters=[_ID],
            requestBody={"required": True, "content": json_of(ServiceAccountUpdate)},
            responses={
                "200": answer("The account.", json_of(ServiceAccount)),
                **errors(400, 401, 403, 404, 409, 413, 415),
            },
        ),
        "delete": operation(
            _TAG, "deleteServiceAccount", "Remove a service account (never the system account)",
            parameters=[_ID],
            responses={"204": answer("Removed."), **errors(400, 401, 403, 404, 409)},
        ),
    },
    "/service-accounts/{account_id}/rotate-secret": {
        "post": operation(
            _TAG, "rotateServiceAccountSecret", "Give a service account a new secret",
            description="The present secret stays valid until `previous_secret_valid_until`.",
            parameters=[_ID],
            requestBody={"required": False, "content": json_of(SecretRotation)},
            responses={
                "200": answer("The account with its new secret.", json_of(ServiceAccountWithSecret)),
                **errors(400, 401, 403, 404, 413, 415),
            },
        ),
    },
}  # fmt: skip
