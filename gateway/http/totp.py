"""One's own second factor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from litestar import Request, Response, post
from litestar.handlers import HTTPRouteHandler

from gateway.http import answers, decoding
from gateway.http.bearer import Bearer
from gateway.http.resource import Resource
from gateway.http.schemas.totp import RecoveryCodes, TotpConfirmation, TotpEnrolment, TotpProof, TotpSecret
from gateway.ports import SecondFactor

HttpRequest = Request[Any, Any, Any]
_NEVER_KEPT = {"cache-control": "no-store"}


class TotpRoutes(Resource):
    """`/auth/totp`."""

    def __init__(self, factor: SecondFactor, bearer: Bearer) -> None:
        self._factor = factor
        self._bearer = bearer

    def routes(self) -> Sequence[HTTPRouteHandler]:
        return [
            post("/auth/totp/enrol")(self.enrol),
            post("/auth/totp/confirm")(self.confirm),
            post("/auth/totp/recovery-codes")(self.replace_codes),
            post("/auth/totp/disable")(self.disable),
        ]

    async def enrol(self, request: HttpRequest) -> Response[bytes]:
        """Begin: a secret, which counts for nothing until it is confirmed."""
        identity = await self._bearer(request)
        asked = await decoding.json_body(request, TotpEnrolment)
        made = await self._factor.enrol_totp(asked.current_password, on_behalf_of=identity)
        return answers.json(TotpSecret(made.secret, made.uri), headers=_NEVER_KEPT)

    async def confirm(self, request: HttpRequest) -> Response[bytes]:
        """Enable it; every session ends."""
        identity = await self._bearer(request)
        asked = await decoding.json_body(request, TotpConfirmation)
        codes = await self._factor.confirm_totp(asked.totp, on_behalf_of=identity)
        return answers.json(RecoveryCodes(list(codes)), headers=_NEVER_KEPT)

    async def replace_codes(self, request: HttpRequest) -> Response[bytes]:
        """New ones; the old ones count no more."""
        identity = await self._bearer(request)
        asked = await decoding.json_body(request, TotpProof)
        codes = await self._factor.replace_recovery_codes(asked.current_password, asked.totp, on_behalf_of=identity)
        return answers.json(RecoveryCodes(list(codes)), headers=_NEVER_KEPT)

    async def disable(self, request: HttpRequest) -> Response[None]:
        """Do without it; every session ends."""
        identity = await self._bearer(request)
        asked = await decoding.json_body(request, TotpProof)
        await self._factor.disable_totp(asked.current_password, asked.totp, on_behalf_of=identity)
        return answers.nothing()
