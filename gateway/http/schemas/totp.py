"""Second factors in requests and answers."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from gateway.http.schemas.users import Password, Totp


class TotpEnrolment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who wants a second factor."""

    current_password: Password

    def __repr__(self) -> str:
        return "TotpEnrolment()"


class TotpSecret(msgspec.Struct, frozen=True):
    """What the device must know; shown this once."""

    secret: Annotated[str, Meta(description="In base32.")]
    uri: Annotated[str, Meta(description="The same as an otpauth: address, for a QR code.")]

    def __repr__(self) -> str:
        return "TotpSecret()"


class TotpConfirmation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The device works."""

    totp: Annotated[str, Meta(max_length=64, description="The code that it shows.")]

    def __repr__(self) -> str:
        return "TotpConfirmation()"


class TotpProof(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Both factors."""

    current_password: Password
    totp: Totp

    def __repr__(self) -> str:
        return "TotpProof()"


class RecoveryCodes(msgspec.Struct, frozen=True):
    """Shown this once."""

    recovery_codes: Annotated[list[str], Meta(description="Each is good for one login without the device.")]

    def __repr__(self) -> str:
        return "RecoveryCodes()"
