"""The whole application: every resource at its address, one format for errors, request ids around everything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from litestar import Litestar, Router

from gateway.http.accounts import ServiceAccounts
from gateway.http.auth import Auth
from gateway.http.bearer import Bearer, Verifier
from gateway.http.docs import Docs
from gateway.http.downloads import Downloads
from gateway.http.elements import StorageElements
from gateway.http.errors import HANDLERS
from gateway.http.files import Files
from gateway.http.heads import Heads
from gateway.http.health import Health
from gateway.http.keeping import DocumentKeeping
from gateway.http.maintenance import ElementMaintenance
from gateway.http.openapi.document import document
from gateway.http.operations import OperationRoutes
from gateway.http.request_ids import RequestIds
from gateway.http.resource import Resource
from gateway.http.search import Search
from gateway.http.sessions import LoginSessions
from gateway.http.signing_keys import SigningKeyRoutes
from gateway.http.tokens import TokenRoutes
from gateway.http.totp import TotpRoutes
from gateway.http.unread import UnreadBodies
from gateway.http.uploads import Uploads
from gateway.http.users import AdminUsers
from gateway.ports import (
    Accounts,
    Documents,
    Elements,
    Ingest,
    Keeping,
    Maintenance,
    Operations,
    SecondFactor,
    Sessions,
    SigningKeys,
    Tokens,
    TokenStates,
    Users,
)
from services.chassis.http import AsgiApp
from services.chassis.ops import VERSION
from services.chassis.places import Places
from services.chassis.tokens import KeySource

BASE = "/api/v1"
"""What every address begins with, but for health and the well-known ones, which are at the root as well."""


@dataclass(frozen=True, slots=True)
class Services:
    """What stands behind the edge."""

    tokens: Tokens
    token_states: TokenStates
    keys: KeySource
    elements: Elements
    maintenance: Maintenance
    operations: Operations
    keeping: Keeping
    accounts: Accounts
    sessions: Sessions
    users: Users
    second_factor: SecondFactor
    signing_keys: SigningKeys
    ingest: Ingest
    documents: Documents
    verifier: Verifier


def site(services: Services, health: Health, *, issuer: str, public_url: str, max_transfers: int) -> AsgiApp:
    """The ASGI application.

    `public_url`: what clients write before the path, without a slash at its end. `max_transfers`: uploads at a time,
    and downloads.
    """
    app = litestar(services, health, issuer=issuer, public_url=public_url, max_transfers=max_transfers)
    return RequestIds(UnreadBodies(Heads(cast("AsgiApp", app))))  # the same, loosely typed


def litestar(services: Services, health: Health, *, issuer: str, public_url: str, max_transfers: int) -> Litestar:
    """The resources at their addresses."""
    bearer = Bearer(services.verifier)
    auth = Auth(services.tokens, services.keys, issuer=issuer, api_url=public_url + BASE)
    resources: list[Resource] = [
        auth,
        Uploads(services.ingest, bearer, Places(max_transfers), base=BASE),
        Files(services.documents, services.ingest, bearer),
        Downloads(services.documents, bearer, Places(max_transfers)),
        Search(services.documents, bearer),
        StorageElements(services.elements, bearer, base=BASE),
        ElementMaintenance(services.maintenance, bearer),
        OperationRoutes(services.operations, bearer, base=BASE),
        DocumentKeeping(services.keeping, bearer),
        LoginSessions(services.sessions, bearer),
        TokenRoutes(services.token_states, bearer),
        TotpRoutes(services.second_factor, bearer),
        SigningKeyRoutes(services.signing_keys, bearer),
        AdminUsers(services.users, bearer, base=BASE),
        ServiceAccounts(services.accounts, bearer, base=BASE),
        Docs(document(version=VERSION, base=BASE), base=BASE),
        health,
    ]
    api = Router(BASE, route_handlers=[handler for each in resources for handler in each.routes()])
    return Litestar(
        [api, *auth.well_known(), *health.routes()],
        exception_handlers=HANDLERS,
        openapi_config=None,  # ours is in openapi/
        logging_config=None,  # ours is the chassis's
        debug=False,
    )
