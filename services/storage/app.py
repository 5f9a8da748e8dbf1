"""The element's parts list."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

from services.chassis.authentication import OnBehalfOfAuthenticator
from services.chassis.clock import SystemClock
from services.chassis.dependencies import DependencyType
from services.chassis.jwks import HttpKeySource, address_of
from services.chassis.lifespan import Process
from services.chassis.loops import Loop
from services.chassis.ops import VERSION
from services.chassis.places import Places
from services.chassis.server import GrpcServer
from services.chassis.tokens import LOOK_FOR_KEYS, TokenVerifier
from services.model.clock import Clock
from services.model.elements import ReplicaMode, Role, element_audience
from services.model.errors import StorageUnavailable
from services.storage import rpc
from services.storage.config import Settings
from services.storage.ports import Standing
from services.storage.rpc.control import Control
from services.storage.rpc.metrics import CollectPass, ExpirePass, Observe, ObserveKeeping, ReconcilePass, ScrubPass
from services.storage.rpc.uploading import Uploading
from services.storage.store.element import Element, open_element
from services.storage.store.fs import FileSystem
from services.storage.store.options import Options, Replicated
from services.storage.store.refusal import ElementRefused
from services.storage.store.reseal import reseal
from services.storage.usecases.collect_garbage import CollectGarbage
from services.storage.usecases.delete_file import DeleteFile
from services.storage.usecases.describe_element import DescribeElement, Identity
from services.storage.usecases.download_file import DownloadFile
from services.storage.usecases.elect import Alone, Elect
from services.storage.usecases.finishing import Finishing
from services.storage.usecases.import_file import ImportFile
from services.storage.usecases.mode_gate import ModeGate
from services.storage.usecases.pace import RatePace
from services.storage.usecases.quarantine import ListQuarantine, RestoreQuarantined
from services.storage.usecases.read_files import GetFile, ListDocuments, ListFiles
from services.storage.usecases.reconcile import Reconcile
from services.storage.usecases.reconciling import ReconcileWhenDue, Reconciling
from services.storage.usecases.resumable_uploads import (
    AbortUpload,
    AppendUpload,
    CompleteUpload,
    CreateUpload,
    ExpireUploads,
    GetUpload,
    OpenUploads,
)
from services.storage.usecases.scrub import Scrub
from services.storage.usecases.scrubbing import Scrubbings
from services.storage.usecases.store_file import StoreFile
from services.storage.usecases.store_small_file import StoreSmallFile, StoreSmallFiles
from services.storage.usecases.suspects import Suspects
from services.storage.usecases.transition_mode import TransitionMode
from services.storage.usecases.update_file import UpdateFile
from services.storage.usecases.verify_file import VerifyFile
from services.storage.usecases.watch_changes import ListDestroyed, WatchChanges

TRUSTED = frozenset({"ingester", "query", "admin", "storage"})
"""Modules whose word an element takes for the user behind a call: it never holds a user's token."""
OBSERVE_EVERY = timedelta(seconds=5)
REFILL_EVERY = timedelta(seconds=5)
"""How soon after there is room again the reserve for a full disk is whole."""
REBUILD_EVERY = timedelta(seconds=10)
"""How soon an index that failed is made anew."""
DUE_EVERY = timedelta(minutes=1)
"""How often it is looked whether scrub or reconciliation is due."""
FORGET_EVERY = timedelta(minutes=10)
"""How often changes that are kept no more are removed; a busy element does so more often by itself."""


async def serve(settings: Settings) -> None:
    """Serve until a signal comes."""
    clock = SystemClock()
    async with Process("storage", settings, instance=settings.storage_id) as process:
        element = await process.enter(_opened(settings, clock))
        finishing = Finishing()
        if element.candidate is not None:
            process.closing(element.candidate.close)
        process.closing(finishing.ended)
        gate, files = ModeGate(element.mode), element.files
        authenticator = OnBehalfOfAuthenticator(
            TRUSTED, own=settings.storage_id, bearers=await _bearers(settings, process, clock)
        )
        server = GrpcServer(
            settings, service="storage", authenticator=authenticator, replica_of=settings.storage_id,
            places=_places(settings.max_transfers),
        )  # fmt: skip
        elect, forwarding = await _several(process, settings, element, gate, server, clock)
        standing = elect or Alone(files)
        describe = DescribeElement(
            identity=Identity(settings.storage_id, element.identity.element_uuid, VERSION, settings.max_file_size),
            gate=gate,
            files=files,
            standing=standing,
        )
        collect = CollectPass(
            CollectGarbage(
                gate=gate, files=files, collections=element.collections, clock=clock, finishing=finishing,
                grace=settings.gc_grace,
            )
        )  # fmt: skip
        pace = RatePace(settings.scrub_rate, clock)
        verify = VerifyFile(
            gate=gate, files=files, inspection=element.inspection, keeping=element.keeping,
            scrubbing=element.scrubbing, clock=clock, finishing=finishing,
        )  # fmt: skip
        suspects = Suspects(verify)
        scrub = Scrub(
            gate=gate, files=files, scrubbing=element.scrubbing, verify=verify, clock=clock,
            period=settings.scrub_period, pace=pace,
        )  # fmt: skip
        reconcile = Reconcile(
            gate=gate, files=files, inspection=element.inspection, keeping=element.keeping, verify=verify, clock=clock,
            pace=pace, finishing=finishing,
        )  # fmt: skip
        reconciling = Reconciling(reconcile, ReconcilePass(reconcile))
        scrubbing = Scrubbings(scrub, ScrubPass(scrub, clock))
        process.closing(reconciling.stop)
        process.closing(scrubbing.stop)
        open_uploads = OpenUploads(
            uploads=element.uploads, clock=clock, expiry=settings.upload_expiry, most=settings.max_open_uploads
        )
        expire = ExpireUploads(open_uploads=open_uploads, clock=clock, finishing=finishing)
        store_small = StoreSmallFile(
            gate=gate, files=files, clock=clock, finishing=finishing, max_file_size=settings.max_file_size
        )
        list_quarantine = ListQuarantine(gate=gate, keeping=element.keeping)
        names = rpc.add_to(
            server.grpc,
            rpc.UseCases(
                describe=describe,
                get_file=GetFile(gate=gate, files=files),
                list_files=ListFiles(gate=gate, files=files, feed=element.feed),
                list_documents=ListDocuments(gate=gate, files=files, feed=element.feed),
                download_file=DownloadFile(gate=gate, files=files, clock=clock, suspect=suspects.report),
                store_file=StoreFile(
                    gate=gate, files=files, clock=clock, finishing=finishing, max_file_size=settings.max_file_size
                ),
                import_file=ImportFile(
                    gate=gate, files=files, clock=clock, finishing=finishing, max_file_size=settings.max_file_size
                ),
                store_small_file=store_small,
                store_small_files=StoreSmallFiles(store_small, gate=gate, files=files, finishing=finishing),
                update_file=UpdateFile(gate=gate, files=files, clock=clock, finishing=finishing),
                delete_file=DeleteFile(gate=gate, files=files, clock=clock, finishing=finishing),
                uploading=Uploading(
                    create=CreateUpload(
                        gate=gate,
                        open_uploads=open_uploads,
                        clock=clock,
                        finishing=finishing,
                        max_file_size=settings.max_file_size,
                    ),
                    append=AppendUpload(
                        gate=gate, open_uploads=open_uploads, finishing=finishing, max_file_size=settings.max_file_size
                    ),
                    get=GetUpload(open_uploads=open_uploads),
                    complete=CompleteUpload(
                        gate=gate, open_uploads=open_uploads, files=files, clock=clock, finishing=finishing
                    ),
                    abort=AbortUpload(open_uploads=open_uploads, finishing=finishing),
                ),
                control=Control(
                    describe=describe,
                    transition_mode=TransitionMode(gate=gate, modes=element.modes, clock=clock, finishing=finishing),
                    collect=collect,
                    verify=verify,
                    reconciling=reconciling,
                    scrubbing=scrubbing,
                    list_quarantine=list_quarantine,
                    restore=RestoreQuarantined(gate=gate, keeping=element.keeping, clock=clock, finishing=finishing),
                ),
                watch_changes=WatchChanges(gate=gate, feed=element.feed),
                list_destroyed=ListDestroyed(gate=gate, feed=element.feed),
            ),
            forwarding,
        )
        process.check("filesystem", element.check_filesystem)
        process.check("wal", element.check_wal)
        process.check("index", element.check_index)
        process.ops.add_check("leader", standing.check, critical=False)  # reads go on without one
        process.background(Loop("index", REBUILD_EVERY, element.rebuild).run())
        process.background(Loop("reserve", REFILL_EVERY, element.keep_reserve).run())
        process.background(Loop("gc", settings.gc_interval, _by_the_leader(standing, collect.by_itself)).run())
        process.background(Loop("feed", FORGET_EVERY, element.feed.forget).run())
        process.background(Loop("scrub", DUE_EVERY, _by_the_leader(standing, scrubbing.when_due)).run())
        process.background(suspects.run())
        due = ReconcileWhenDue(
            reconciling=reconciling, reconciliations=element.reconciliations, clock=clock,
            interval=settings.reconcile_interval,
        )  # fmt: skip
        process.background(Loop("reconcile", DUE_EVERY, _by_the_leader(standing, due)).run())
        looked, expired = max(settings.upload_expiry / 100, timedelta(seconds=1)), ExpirePass(expire, element.uploads)
        process.background(Loop("uploads", looked, _by_the_leader(standing, expired)).run())
        process.background(Loop("observe keeping", OBSERVE_EVERY, ObserveKeeping(scrub, list_quarantine)).run())
        process.background(Loop("observe", OBSERVE_EVERY, Observe(describe)).run())
        await server.start(names)
        await process.serve(server)


def _places(most: int) -> dict[str, Places]:
    """As many uploads at a time, resumable ones among them, and as many downloads."""
    incoming, outgoing = Places(most, refusal=StorageUnavailable), Places(most, refusal=StorageUnavailable)
    return {"Upload": incoming, "AppendUpload": incoming, "ImportFile": incoming, "Download": outgoing}


async def _several(
    process: Process, settings: Settings, element: Element, gate: ModeGate, server: GrpcServer, clock: Clock
) -> tuple[Elect | None, rpc.Forwarding | None]:
    """What a process needs that is one of several of its element; it has taken part in the election once."""
    if element.candidate is None:
        return None, None
    replicas = await process.enter(rpc.Replicas(settings.storage_id, settings.tls))

    async def announce(role: Role) -> None:
        await server.tell(rpc.LEADER, serving=role is Role.LEADER)

    await announce(Role.FOLLOWER)
    elect = Elect(
        leadership=element.candidate, peers=replicas, gate=gate, files=element.files, clock=clock,
        patience=settings.patience, beat=settings.beat_interval.total_seconds(), announce=announce,
    )  # fmt: skip
    with contextlib.suppress(StorageUnavailable):
        await elect()
        await element.following()
    process.background(Loop("election", settings.beat_interval, elect).run())
    process.background(Loop("index refresh", settings.index_refresh_interval, element.following).run())
    process.background(
        Loop("feed of the leader", settings.beat_interval, rpc.Woken(elect, replicas, element.following)).run()
    )
    return elect, rpc.Forwarding(elect, replicas)


def _by_the_leader(standing: Standing, one_pass: Callable[[], Awaitable[object]]) -> Callable[[], Awaitable[object]]:
    async def led() -> None:
        if standing.role is Role.LEADER:
            await one_pass()

    return led


def seal_file(path: Path) -> None:
    """Seal a JSON file that was edited by hand. Raises `SystemExit` with the reason if it is not one of ours."""
    try:
        reseal(FileSystem(), path)
    except ElementRefused as error:
        raise SystemExit(f"Cannot seal: {error}") from None


async def _bearers(settings: Settings, process: Process, clock: Clock) -> TokenVerifier | None:
    """Of tokens for this element alone, which operators may call it with; None: it takes none."""
    if not settings.jwks_url:
        return None
    keys = await process.enter(HttpKeySource(settings.jwks_url, ca=settings.jwks_ca or settings.tls_ca))
    process.observes("keys", DependencyType.HTTP, address_of(settings.jwks_url), keys.jwks)
    audience = element_audience(settings.storage_id)
    verifier = TokenVerifier(keys, issuer=settings.token_issuer, audience=audience, clock=clock)
    process.background(Loop("keys", LOOK_FOR_KEYS, verifier.learn).run())
    return verifier


def _replicated(settings: Settings) -> Replicated | None:
    if settings.replica_mode is ReplicaMode.STANDALONE:
        return None
    host, port = settings.advertised
    return Replicated(host, port, settings.patience)


@asynccontextmanager
async def _opened(settings: Settings, clock: Clock) -> AsyncIterator[Element]:
    options = Options(
        storage_id=settings.storage_id,
        data_dir=settings.data_dir.resolve(),
        index_dir=settings.index_folder.resolve(),
        init=settings.init,
        mode=settings.mode,
        min_free_space=settings.min_free_space,
        capacity=settings.capacity,
        mode_override=settings.override,
        wal_dir=settings.wal_dir.resolve() if settings.wal_dir else None,
        wal_reset=settings.wal_reset,
        feed_retention=settings.feed_retention,
        feed_max_size=settings.feed_max_size,
        replicated=_replicated(settings),
        restored=settings.restored,
        new_identity=settings.new_identity,
    )
    try:
        with open_element(options, clock=clock) as element:
            yield element
    except ElementRefused as error:
        raise SystemExit(f"Cannot start: {error}") from None
