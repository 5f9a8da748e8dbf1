"""What can be asked about signing keys."""

from __future__ import annotations

from gateway.http.openapi.parts import Json, answer, errors, json_of, operation
from gateway.http.schemas.keys import Key, KeyList

KEYS: Json = {
    "/auth/keys": {
        "get": operation(
            "auth", "listSigningKeys", "The keys that sign tokens, and where each is in its life",
            responses={"200": answer("The oldest first.", json_of(KeyList)), **errors(401, 403)},
        )
    },
    "/auth/keys/rotate": {
        "post": operation(
            "auth", "rotateSigningKey", "Begin a rotation of the signing keys",
            description="A new key is published, and signs once every verifier has it. One under way goes on.",
            responses={"202": answer("The key that will sign.", json_of(Key)), **errors(401, 403)},
        )
    },
}  # fmt: skip
