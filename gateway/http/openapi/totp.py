"""What can be asked about second factors."""

from __future__ import annotations

from gateway.http.openapi.parts import Json, answer, errors, json_of, operation
from gateway.http.schemas.totp import RecoveryCodes, TotpConfirmation, TotpEnrolment, TotpProof, TotpSecret

_AS_A_LOGIN = errors(400, 401, 403, 409, 413, 415, 423, 429)

TOTP: Json = {
    "/auth/totp/enrol": {
        "post": operation(
            "auth", "enrolTotp", "Begin to set up a second factor (RFC 6238)",
            description="It counts for nothing until it is confirmed.",
            requestBody={"required": True, "content": json_of(TotpEnrolment)},
            responses={"200": answer("What the device must know, shown once.", json_of(TotpSecret)), **_AS_A_LOGIN},
        )
    },
    "/auth/totp/confirm": {
        "post": operation(
            "auth", "confirmTotp", "Enable the second factor by a code of the device",
            description="Every session ends.",
            requestBody={"required": True, "content": json_of(TotpConfirmation)},
            responses={
                "200": answer("Enabled; these are shown this once.", json_of(RecoveryCodes)),
                **errors(400, 401, 403, 409, 413, 415),
            },
        )
    },
    "/auth/totp/recovery-codes": {
        "post": operation(
            "auth", "replaceRecoveryCodes", "New recovery codes",
            description="The old ones count no more.",
            requestBody={"required": True, "content": json_of(TotpProof)},
            responses={"200": answer("Shown this once.", json_of(RecoveryCodes)), **_AS_A_LOGIN},
        )
    },
    "/auth/totp/disable": {
        "post": operation(
            "auth", "disableTotp", "Do without the second factor",
            description="Every session ends.",
            requestBody={"required": True, "content": json_of(TotpProof)},
            responses={"204": answer("Disabled."), **_AS_A_LOGIN},
        )
    },
}  # fmt: skip
