"""The parts list of the gateway."""

from __future__ import annotations

from functools import partial

from clients.accounts import AccountsClient
from clients.admin import AdminClient
from clients.health import all_serve
from clients.ingester import IngesterClient
from clients.keeping import KeepingClient
from clients.keys import SigningKeysClient
from clients.maintenance import MaintenanceClient
from clients.operations import OperationsClient
from clients.query import QueryClient
from clients.tokens import TokensClient
from clients.totp import TotpClient
from clients.users import SessionsClient, UsersClient
from gateway.config import Settings
from gateway.http import Health, Services, site
from gateway.http.keys import LastKnownKeys
from gateway.http.measured import Measured
from gateway.http.traced import Traced
from services.chassis import telemetry
from services.chassis.channel import open_channel, server_name_of
from services.chassis.clock import SystemClock
from services.chassis.dependencies import DependencyType
from services.chassis.http import HttpServer
from services.chassis.lifespan import Process
from services.chassis.loops import Loop
from services.chassis.metrics import PREFIXES, HttpMetrics
from services.chassis.tokens import LOOK_FOR_KEYS, TokenVerifier


async def serve(settings: Settings) -> None:
    """Run until a signal comes."""
    async with Process("gateway", settings) as process:
        addresses = {"admin": settings.admin_addr, "ingester": settings.ingester_addr, "query": settings.query_addr}
        opened = {
            module: partial(open_channel, address, server_name=server_name_of(module), tls=settings.tls)
            for module, address in addresses.items()
        }
        channels = {module: await process.enter(opened[module]()) for module in addresses}
        # A connection takes so many calls and keeps the rest waiting: bytes, which may flow for hours, have their own.
        transfers = {module: await process.enter(opened[module]()) for module in ("ingester", "query")}
        admin = AdminClient(channels["admin"])
        keys = LastKnownKeys(admin)
        verifier = TokenVerifier(
            keys, issuer=settings.token_issuer, audience=settings.token_audience, clock=SystemClock()
        )
        for module, address in addresses.items():
            ways = [to[module] for to in (channels, transfers) if module in to]
            process.depends(module, DependencyType.GRPC, address, partial(all_serve, *ways), critical=False)
        process.ops.needs_one = True
        services = Services(
            tokens=admin,
            token_states=TokensClient(channels["admin"]),
            keys=keys,
            elements=admin,
            maintenance=MaintenanceClient(channels["admin"]),
            operations=OperationsClient(channels["admin"]),
            keeping=KeepingClient(channels["admin"]),
            accounts=AccountsClient(channels["admin"]),
            sessions=SessionsClient(channels["admin"]),
            users=UsersClient(channels["admin"]),
            second_factor=TotpClient(channels["admin"]),
            signing_keys=SigningKeysClient(channels["admin"]),
            ingest=IngesterClient(channels["ingester"], transfers["ingester"]),
            documents=QueryClient(channels["query"], transfers["query"]),
            verifier=verifier,
        )
        health = Health(process.ops.live, process.ops.ready)
        app = site(
            services, health, issuer=settings.token_issuer, public_url=settings.public_url,
            max_transfers=settings.max_transfers,
        )  # fmt: skip
        measured = Measured(app, HttpMetrics(PREFIXES["gateway"]))
        server = HttpServer(
            Traced(measured) if telemetry.active() else measured,
            host=settings.host,
            port=settings.port,
            tls=settings.tls.http_server_context(),
            callers=frozenset({"edge"}),
        )
        process.background(Loop("keys", LOOK_FOR_KEYS, verifier.learn).run())
        await server.start()
        await process.serve(server)
