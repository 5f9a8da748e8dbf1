"""Second factors, as the edge sees them."""

from __future__ import annotations

from collections.abc import Sequence

import grpc
from artstore.admin.v1 import totp_pb2 as pb
from artstore.admin.v1 import totp_pb2_grpc

from clients import metadata
from clients.admin import UNARY
from clients.calls import ask
from clients.users import PASSWORDS
from services.chassis.caller import Identity
from services.model.identity import Enrolment


class TotpClient:
    """Calls about one's own second factor. Every method raises `ServiceUnavailable` when Admin is not reached.

    Further, `Forbidden` for whoever is no person, `Conflict` where the second factor is enabled, or is not; and those
    that take a password `Unauthorized`, `AccountLocked`, `RateLimited`, as a login does.
    """

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._totp = totp_pb2_grpc.TotpServiceStub(channel)

    async def enrol_totp(self, current_password: str, *, on_behalf_of: Identity | None) -> Enrolment:
        """Begin."""
        return await ask(
            self._totp.EnrolTotp,
            pb.EnrolTotpRequest(current_password=current_password),
            lambda answer: Enrolment(answer.secret, answer.uri),
            seconds=PASSWORDS,
            metadata=metadata.bearer(on_behalf_of),
        )

    async def confirm_totp(self, totp: str, *, on_behalf_of: Identity | None) -> Sequence[str]:
        """Enable it; the recovery codes. Raises `ValidationFailed` for a wrong code."""
        return await ask(
            self._totp.ConfirmTotp,
            pb.ConfirmTotpRequest(totp=totp),
            lambda answer: list(answer.recovery_codes),
            seconds=UNARY,
            metadata=metadata.bearer(on_behalf_of),
        )

    async def replace_recovery_codes(
        self, current_password: str, totp: str, *, on_behalf_of: Identity | None
    ) -> Sequence[str]:
        """New ones; the old ones count no more."""
        return await ask(
            self._totp.ReplaceRecoveryCodes,
            pb.ReplaceRecoveryCodesRequest(current_password=current_password, totp=totp),
            lambda answer: list(answer.recovery_codes),
            seconds=PASSWORDS,
            metadata=metadata.bearer(on_behalf_of),
        )

    async def disable_totp(self, current_password: str, totp: str, *, on_behalf_of: Identity | None) -> None:
        """Do without it."""
        await ask(
            self._totp.DisableTotp,
            pb.DisableTotpRequest(current_password=current_password, totp=totp),
            lambda _: None,
            seconds=PASSWORDS,
            metadata=metadata.bearer(on_behalf_of),
        )
