"""What can be asked about tokens."""

from __future__ import annotations

from gateway.http.openapi.parts import Json, answer, errors, json_of, operation
from gateway.http.schemas.auth import TokenAnswer, TokenError, TokenIntrospection

TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"  # noqa: S105 - a name
_PUBLIC: Json = {"security": []}
_TOKEN: Json = {"type": "string", "format": "password"}


def _form(*required: str, **properties: Json) -> Json:
    schema = {"type": "object", "required": list(required), "properties": properties}
    return {"required": True, "content": {"application/x-www-form-urlencoded": {"schema": schema}}}


AUTH: Json = {
    "/auth/token": {
        "post": operation(
            "auth", "issueToken", "An access token (OAuth 2.0 client credentials, or token exchange)",
            description="client_credentials: for a service account. Token exchange (RFC 8693), without client secret: "
            "for the token of a trusted identity provider, or for one of ours that is to do less.",
            security=[{"clientSecret": []}, {}],
            requestBody={
                "required": True,
                "content": {
                    "application/x-www-form-urlencoded": {
                        "schema": {
                            "type": "object",
                            "required": ["grant_type"],
                            "properties": {
                                "grant_type": {"enum": ["client_credentials", TOKEN_EXCHANGE]},
                                "scope": {"type": "string", "description": "Separated by spaces; all if not given."},
                                "resource": {
                                    "type": "string",
                                    "description": "For one storage element alone, at its own port (RFC 8707): "
                                    "urn:artstore:storage:<storage_id>.",
                                },
                                "subject_token": {**_TOKEN, "description": "Of an exchange: the token to exchange."},
                                "subject_token_type": {
                                    "type": "string",
                                    "description": "urn:ietf:params:oauth:token-type: access_token, id_token or jwt.",
                                },
                                "client_id": {"type": "string", "description": "Unless given by HTTP Basic."},
                                "client_secret": {"type": "string", "format": "password"},
                            },
                        }
                    }
                },
            },
            responses={
                "200": answer("A token.", json_of(TokenAnswer)),
                "400": answer("The request is wrong (RFC 6749 section 5.2).", json_of(TokenError)),
                "401": answer("The client is not known or its secret is wrong.", json_of(TokenError)),
                "503": answer("Tokens cannot be issued now.", json_of(TokenError)),
            },
        )
    },
    "/auth/jwks": {
        "get": operation(
            "auth", "getKeys", "The keys that verify tokens (RFC 7517)", **_PUBLIC,
            responses={"200": answer("The key set.", {"application/json": {"schema": {"type": "object"}}}), **errors()},
        )
    },
    "/auth/revoke": {
        "post": operation(
            "auth", "revokeToken", "End the session of a refresh token (RFC 7009)", **_PUBLIC,
            description="A token that is not known is no error. An access token is not revoked: it ends by itself.",
            requestBody=_form("token", token=_TOKEN, token_type_hint={"type": "string"}),
            responses={
                "200": answer("It is of no use any more."),
                "400": answer("The request is wrong, or it is an access token.", json_of(TokenError)),
                "503": answer("Tokens cannot be revoked now.", json_of(TokenError)),
            },
        )
    },
    "/auth/introspect": {
        "post": operation(
            "auth", "introspectToken", "What is known of a token (RFC 7662)",
            requestBody=_form("token", token=_TOKEN, token_type_hint={"type": "string"}),
            responses={
                "200": answer("Whether it is active, and what it says.", json_of(TokenIntrospection)),
                **errors(401, 403),
                "400": answer("The request is wrong (RFC 6749 section 5.2).", json_of(TokenError)),
            },
        )
    },
}  # fmt: skip
