"""The parts list of Query."""

from __future__ import annotations

from functools import partial

from clients.admin import AdminClient
from clients.health import serving
from clients.storage import StoragePool
from services.chassis.authentication import BearerAuthenticator
from services.chassis.channel import open_channel, server_name_of
from services.chassis.clock import SystemClock
from services.chassis.dependencies import DependencyType, place_of
from services.chassis.lifespan import Process
from services.chassis.loops import Loop
from services.chassis.places import Places
from services.chassis.server import GrpcServer
from services.chassis.tokens import LOOK_FOR_KEYS, TokenVerifier
from services.query import rpc
from services.query.config import Settings
from services.query.store.database import open_database
from services.query.store.registry import PostgresRegistry
from services.query.usecases.download_file import DownloadFile
from services.query.usecases.get_file import GetFile
from services.query.usecases.search_files import SearchFiles


async def serve(settings: Settings) -> None:
    """Run Query until SIGTERM or SIGINT."""
    async with Process("query", settings) as process:
        clock = SystemClock()
        database = await process.enter(
            open_database(
                settings.postgres_dsn.get_secret_value(),
                size=settings.postgres_pool,
                statement_timeout=settings.statement_timeout,
            )
        )
        registry = PostgresRegistry(database)
        process.depends(
            "postgresql",
            DependencyType.POSTGRES,
            place_of(settings.postgres_dsn.get_secret_value()),
            registry.check,
            critical=True,
        )
        channel = open_channel(settings.admin_addr, server_name=server_name_of("admin"), tls=settings.tls)
        process.closing(channel.close)
        # Without Admin everything but the repair of missing files goes on.
        process.depends("admin", DependencyType.GRPC, settings.admin_addr, partial(serving, channel), critical=False)
        admin = AdminClient(channel)
        elements = await process.enter(StoragePool(settings.tls))
        verifier = TokenVerifier(admin, issuer=settings.token_issuer, audience=settings.token_audience, clock=clock)
        places = {"Download": Places(settings.max_transfers)}
        server = GrpcServer(settings, service="query", authenticator=BearerAuthenticator(verifier), places=places)
        names = rpc.add_to(
            server.grpc,
            search_files=SearchFiles(registry=registry, clock=clock),
            get_file=GetFile(registry=registry, clock=clock),
            download_file=DownloadFile(registry=registry, elements=elements, repairs=admin, clock=clock),
        )
        process.background(Loop("keys", LOOK_FOR_KEYS, verifier.learn).run())
        await server.start(names)
        await process.serve(server)
