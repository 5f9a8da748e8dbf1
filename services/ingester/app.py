"""The parts list of the ingester."""

from __future__ import annotations

from functools import partial

import uuid_utils

from clients.admin import AdminClient
from clients.health import serving
from clients.storage import StoragePool
from services.chassis.authentication import BearerAuthenticator
from services.chassis.channel import open_channel, server_name_of
from services.chassis.clock import SystemClock
from services.chassis.dependencies import DependencyType
from services.chassis.lifespan import Process
from services.chassis.loops import Loop
from services.chassis.places import Places
from services.chassis.server import GrpcServer
from services.chassis.tokens import LOOK_FOR_KEYS, TokenVerifier
from services.ingester import rpc
from services.ingester.config import Settings
from services.ingester.usecases.delete_file import DeleteFile
from services.ingester.usecases.update_file import UpdateFile
from services.ingester.usecases.upload_file import UploadFile
from services.model.ids import FileId


async def serve(settings: Settings) -> None:
    """Run the ingester until SIGTERM or SIGINT."""
    async with Process("ingester", settings) as process:
        channel = open_channel(settings.admin_addr, server_name=server_name_of("admin"), tls=settings.tls)
        process.closing(channel.close)
        # Without Admin nothing can be uploaded. Not critical all the same: each upload is told so, with the time to
        # come back, sooner and more clearly than by a balancer that finds nobody, and all goes on once Admin is there.
        process.depends("admin", DependencyType.GRPC, settings.admin_addr, partial(serving, channel), critical=False)
        admin = AdminClient(channel)
        elements = await process.enter(StoragePool(settings.tls))
        verifier = TokenVerifier(
            admin, issuer=settings.token_issuer, audience=settings.token_audience, clock=SystemClock()
        )
        places = {"Upload": Places(settings.max_transfers)}
        server = GrpcServer(settings, service="ingester", authenticator=BearerAuthenticator(verifier), places=places)
        names = rpc.add_to(
            server.grpc,
            upload_file=UploadFile(directory=admin, elements=elements, new_id=new_file_id),
            update_file=UpdateFile(directory=admin, elements=elements),
            delete_file=DeleteFile(directory=admin, elements=elements),
        )
        process.background(Loop("keys", LOOK_FOR_KEYS, verifier.learn).run())
        await server.start(names)
        await process.serve(server)


def new_file_id() -> FileId:
    """A UUIDv7 of now (RFC 9562 section 5.7)."""
    return FileId(str(uuid_utils.uuid7()))
