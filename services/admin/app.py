"""Admin's parts list."""

from __future__ import annotations

import sys
from datetime import timedelta
from functools import partial
from pathlib import Path

from clients.storage import StoragePool
from services.admin import rpc
from services.admin.config import DatabaseSettings, MigrateSettings, Settings
from services.admin.domain.issuers import TrustedIssuer
from services.admin.ports import KeysUnreadable
from services.admin.rpc.element_control import StorageControl
from services.admin.rpc.element_keeping import StorageKeeping
from services.admin.rpc.element_peer import StoragePeer
from services.admin.rpc.metrics import MeasuredFeeds, operation_ended
from services.admin.store.accounts import PostgresAccounts
from services.admin.store.claims import PostgresClaims
from services.admin.store.database import open_database
from services.admin.store.elements import PostgresElements
from services.admin.store.feeds import PostgresFeeds
from services.admin.store.issuers import read_issuers
from services.admin.store.keys import PostgresKeys
from services.admin.store.leases import PostgresLeases
from services.admin.store.migrations import MigrationError, migrate_to, migrating, migrations, require_schema
from services.admin.store.operations import PostgresOperations
from services.admin.store.registry import PostgresRegistry
from services.admin.store.roles import ensure_reader
from services.admin.store.sealing import Sealer
from services.admin.store.second_factors import PostgresSecondFactors
from services.admin.store.sessions import PostgresLoginGuard, PostgresSessions
from services.admin.store.users import PostgresUsers
from services.admin.usecases.access_tokens import AccessTokens
from services.admin.usecases.change_account import DeleteAccount, RotateAccountSecret, UpdateAccount
from services.admin.usecases.change_element import RemoveElement, UpdateElement
from services.admin.usecases.check_password import CheckPassword
from services.admin.usecases.create_account import CreateAccount
from services.admin.usecases.exchange_token import FOREIGN_TYPES, ExchangeToken, TokenEndpoint
from services.admin.usecases.first_start import EnsureFirstAdmin, EnsureSystemAccount
from services.admin.usecases.follow_elements import FollowElements
from services.admin.usecases.follow_feeds import FollowFeed, FollowFeeds
from services.admin.usecases.issue_token import IssueToken
from services.admin.usecases.keep_files import ListElementQuarantine, RestoreQuarantinedItem, VerifyFile
from services.admin.usecases.key_ring import KeyRing
from services.admin.usecases.list_accounts import GetAccount, ListAccounts
from services.admin.usecases.list_elements import GetElement, ListElements
from services.admin.usecases.mark_missing import MarkMissing
from services.admin.usecases.operations import (
    CancelOperation,
    GetOperation,
    ListOperations,
    ScheduleSyncs,
    StartOperation,
)
from services.admin.usecases.own_account import ChangePassword, GetSelf
from services.admin.usecases.passwords import Argon2Passwords
from services.admin.usecases.prepare import Prepare
from services.admin.usecases.reconcile_element import ReconcileElement
from services.admin.usecases.register_element import DiscoverElement, RegisterElement
from services.admin.usecases.register_file import LocateFile, RegisterFile
from services.admin.usecases.rotate_keys import ListSigningKeys, RotateKeys, RotateSigningKey
from services.admin.usecases.rotate_system_secret import RotateSystemSecret
from services.admin.usecases.run_element import CollectElementGarbage, LookIntoElement, TransitionElementMode
from services.admin.usecases.run_operations import RunOperations
from services.admin.usecases.scrub_element import ScrubElement
from services.admin.usecases.second_factor import (
    ConfirmTotp,
    DisableTotp,
    EnrolTotp,
    Person,
    ReplaceRecoveryCodes,
    ResetTotp,
    SpendCode,
)
from services.admin.usecases.select_element import AvoidElement, SelectElement
from services.admin.usecases.sessions import Login, Logout, PruneSessions, Refresh
from services.admin.usecases.standing import Standing
from services.admin.usecases.sync_element import SyncElement
from services.admin.usecases.token_state import IntrospectToken, RevokeToken
from services.admin.usecases.users import (
    CreateUser,
    DeleteUser,
    GetUser,
    ListUsers,
    ResetPassword,
    UnlockUser,
    UpdateUser,
)
from services.admin.usecases.watch_elements import WatchElements
from services.chassis import logs
from services.chassis.authentication import BearerAuthenticator
from services.chassis.clock import SystemClock
from services.chassis.dependencies import DependencyType, place_of
from services.chassis.jwks import HttpKeySource
from services.chassis.leases import alone
from services.chassis.lifespan import Process
from services.chassis.loops import Loop
from services.chassis.server import GrpcServer
from services.chassis.settings import read_secret
from services.chassis.tokens import TokenReader, TokenVerifier
from services.model.clock import Clock
from services.model.errors import ArtStoreError
from services.model.operations import OperationKind

PRUNE_INTERVAL = timedelta(minutes=10)
"""How often expired sessions are forgotten."""
PATIENCE = 3
"""Heartbeats for which an element that answers too slowly still counts as online."""


NEWS = timedelta(seconds=1)
"""How often those who watch elements are told of changes."""
LOOK_FOR_WORK = timedelta(seconds=1)
"""How often each replica looks for operations that another one has started, or left."""
SCHEDULING = timedelta(seconds=10)
"""How often it is looked whether a periodic sync is due."""


async def serve(settings: Settings) -> None:
    """Serve until a signal comes."""
    clock = SystemClock()
    sealer = _sealer(settings)
    async with Process("admin", settings) as process:
        database = await process.enter(open_database(_dsn(settings), size=settings.postgres_pool))
        pool = await process.enter(StoragePool(settings.tls))
        peer, control = StoragePeer(pool, settings.tls), StorageControl(pool)
        keeping = StorageKeeping(pool)
        elements, registry = PostgresElements(database), PostgresRegistry(database)
        accounts = PostgresAccounts(database)
        users, sessions, guard = PostgresUsers(database), PostgresSessions(database), PostgresLoginGuard(database)
        factors = PostgresSecondFactors(database, sealer)
        passwords = await process.enter(Argon2Passwords())
        issuers = read_issuers(settings.trusted_issuers_file) if settings.trusted_issuers_file else []
        standing = Standing(accounts=accounts, users=users, issuers=issuers)
        key_store = PostgresKeys(database, sealer)
        keys = KeyRing(keys=key_store, clock=clock)
        rotate_keys = RotateKeys(
            keys=key_store,
            ring=keys,
            clock=clock,
            interval=settings.key_interval,
            wait=settings.key_publish_wait,
            lifetime=settings.token_lifetime,
        )
        system = EnsureSystemAccount(accounts=accounts, clock=clock, show=_show)
        first_admin = EnsureFirstAdmin(users=users, accounts=accounts, passwords=passwords, clock=clock)
        tokens = AccessTokens(
            keys=keys, issuer=settings.issuer, audience=settings.token_audience, lifetime=settings.token_lifetime
        )
        check = CheckPassword(
            users=users,
            spend_code=SpendCode(factors=factors, clock=clock),
            guard=guard,
            passwords=passwords,
            clock=clock,
            limit=settings.login_failures,
            lock=settings.login_lock,
        )
        person = Person(users=users, accounts=accounts)
        refresh_lifetime = settings.refresh_lifetime
        prepare = Prepare(
            keys.ensure,
            partial(system, settings.system_client_id, _secret(settings.system_client_secret_file)),
            partial(first_admin, settings.admin_username, _secret(settings.admin_password_file)),
        )
        watch = WatchElements(
            elements=elements, peer=peer, clock=clock, patience=settings.heartbeat_interval * PATIENCE
        )
        follow = FollowElements(elements=elements)
        reader = TokenReader(keys, issuer=settings.issuer, clock=clock)
        operations = PostgresOperations(database)
        claims = await process.enter(PostgresClaims(_dsn(settings)))
        feeds = PostgresFeeds(database)
        sync = SyncElement(elements=elements, registry=registry, feeds=feeds, peer=peer, clock=clock)
        reconcile = ReconcileElement(elements=elements, reconciling=keeping)
        scrub = ScrubElement(elements=elements, scrubbing=keeping)
        run_operations = await process.enter(
            RunOperations(
                operations=operations,
                claims=claims,
                clock=clock,
                kinds={OperationKind.SYNC: sync, OperationKind.RECONCILE: reconcile, OperationKind.SCRUB: scrub},
                ended=operation_ended,
            )
        )
        working = Loop("do operations", LOOK_FOR_WORK, run_operations)
        start = StartOperation(operations=operations, elements=elements, clock=clock, nudge=working.nudge)
        follow_feed = FollowFeed(
            feeds=feeds, peer=peer, operations=operations, start=start, clock=clock, witness=MeasuredFeeds(clock)
        )
        feed_claims = await process.enter(PostgresClaims(_dsn(settings)))
        follow_feeds = await process.enter(FollowFeeds(elements=elements, claims=feed_claims, follow=follow_feed))
        get_operation = GetOperation(operations=operations)
        schedule = ScheduleSyncs(
            operations=operations, elements=elements, start=start, clock=clock, interval=settings.sync_interval
        )
        verifier = TokenVerifier(keys, issuer=settings.issuer, audience=settings.token_audience, clock=clock)
        server = GrpcServer(settings, service="admin", authenticator=BearerAuthenticator(verifier))
        names = rpc.add_to(
            server.grpc,
            rpc.UseCases(
                issue_token=TokenEndpoint(
                    issue=IssueToken(accounts=accounts, elements=elements, tokens=tokens, clock=clock),
                    exchange=ExchangeToken(
                        issuers=[(each, await _foreign(each, settings, process, clock)) for each in issuers],
                        own=reader,
                        standing=standing,
                        elements=elements,
                        tokens=tokens,
                        clock=clock,
                    ),
                ),
                revoke_token=RevokeToken(sessions=sessions, reader=reader),
                introspect_token=IntrospectToken(
                    sessions=sessions, users=users, standing=standing, reader=reader, clock=clock
                ),
                keys=keys,
                list_elements=ListElements(elements=elements),
                get_element=GetElement(elements=elements),
                follow_elements=follow,
                discover_element=DiscoverElement(elements=elements, peer=peer),
                register_element=RegisterElement(elements=elements, peer=peer, clock=clock, start=start),
                update_element=UpdateElement(elements=elements, peer=peer, clock=clock),
                remove_element=RemoveElement(elements=elements, registry=registry),
                look_into_element=LookIntoElement(elements=elements, control=control),
                transition_element_mode=TransitionElementMode(elements=elements, control=control, clock=clock),
                collect_element_garbage=CollectElementGarbage(elements=elements, control=control),
                select_element=SelectElement(elements=elements, clock=clock),
                avoid_element=AvoidElement(elements=elements, clock=clock, pause=settings.failure_pause),
                register_file=RegisterFile(registry=registry),
                locate_file=LocateFile(registry=registry),
                mark_missing=MarkMissing(registry=registry, elements=elements, peer=peer),
                standing=standing,
                list_accounts=ListAccounts(accounts=accounts),
                get_account=GetAccount(accounts=accounts),
                create_account=CreateAccount(
                    accounts=accounts, standing=standing, clock=clock, lifetime=settings.secret_lifetime
                ),
                update_account=UpdateAccount(accounts=accounts, standing=standing),
                delete_account=DeleteAccount(accounts=accounts, standing=standing),
                rotate_account_secret=RotateAccountSecret(
                    accounts=accounts,
                    standing=standing,
                    clock=clock,
                    lifetime=settings.secret_lifetime,
                    overlap=settings.secret_overlap,
                ),
                operations=rpc.OperationUseCases(
                    start=start,
                    list_operations=ListOperations(operations=operations),
                    get=get_operation,
                    cancel=CancelOperation(operations=operations, get=get_operation, nudge=working.nudge),
                ),
                signing_keys=rpc.KeyUseCases(
                    list_signing_keys=ListSigningKeys(ring=keys),
                    rotate_signing_key=RotateSigningKey(rotate=rotate_keys, standing=standing),
                ),
                keeping=rpc.KeepingUseCases(
                    verify_file=VerifyFile(registry=registry, keeping=keeping),
                    list_quarantine=ListElementQuarantine(elements=elements, keeping=keeping),
                    restore=RestoreQuarantinedItem(elements=elements, registry=registry, keeping=keeping),
                ),
                users=rpc.UserUseCases(
                    login=Login(
                        check=check,
                        users=users,
                        sessions=sessions,
                        tokens=tokens,
                        clock=clock,
                        lifetime=refresh_lifetime,
                    ),
                    refresh=Refresh(
                        users=users, sessions=sessions, tokens=tokens, clock=clock, lifetime=refresh_lifetime
                    ),
                    logout=Logout(sessions=sessions),
                    get_self=GetSelf(users=users, accounts=accounts, clock=clock),
                    change_password=ChangePassword(users=users, accounts=accounts, check=check, passwords=passwords),
                    list_users=ListUsers(users=users, clock=clock),
                    get_user=GetUser(users=users, clock=clock),
                    create_user=CreateUser(
                        users=users, accounts=accounts, standing=standing, passwords=passwords, clock=clock
                    ),
                    update_user=UpdateUser(users=users, standing=standing, clock=clock),
                    delete_user=DeleteUser(users=users, standing=standing),
                    reset_password=ResetPassword(users=users, guard=guard, standing=standing, passwords=passwords),
                    totp=rpc.TotpUseCases(
                        enrol=EnrolTotp(
                            person=person, check=check, factors=factors, clock=clock, issuer=settings.issuer
                        ),
                        confirm=ConfirmTotp(person=person, factors=factors, clock=clock),
                        replace_codes=ReplaceRecoveryCodes(person=person, check=check, factors=factors),
                        disable=DisableTotp(person=person, check=check, factors=factors),
                        reset=ResetTotp(users=users, factors=factors, standing=standing, clock=clock),
                    ),
                    unlock_user=UnlockUser(users=users, guard=guard, standing=standing, clock=clock),
                ),
            ),
        )
        process.depends(
            "postgresql",
            DependencyType.POSTGRES,
            place_of(_dsn(settings)),
            partial(require_schema, database),
            critical=True,
        )
        process.check("first_start", prepare.check)
        process.background(prepare())
        leases = PostgresLeases(_dsn(settings))
        process.background(Loop("rotate keys", rotate_keys.pause, alone(leases, "rotate keys", rotate_keys)).run())
        prune = PruneSessions(sessions=sessions, guard=guard, clock=clock, lock=settings.login_lock)
        process.background(Loop("forget sessions", PRUNE_INTERVAL, prune).run())
        process.background(working.run())
        process.background(Loop("follow feeds", LOOK_FOR_WORK, follow_feeds).run())
        scheduling = alone(leases, "schedule syncs", schedule)
        process.background(Loop("schedule syncs", SCHEDULING, scheduling).run())
        process.background(Loop("watch elements", settings.heartbeat_interval, watch).run())
        process.background(Loop("tell of elements", NEWS, follow).run())
        await server.start(names, show_public=True)
        await process.serve(server)


async def migrate(settings: MigrateSettings) -> None:
    """Bring the schema up to date and set up Query's role. Raises `SystemExit` with the reason."""
    logs.configure("admin", level="info", style="text")
    password = read_secret(settings.query_password_file) if settings.query_password_file else None
    try:
        async with migrating(_dsn(settings)) as connection:
            await migrate_to(connection, migrations())
            await ensure_reader(connection, settings.query_role, password)
    except MigrationError as error:
        raise SystemExit(f"Cannot migrate: {error}") from None


async def rotate_system_secret(settings: DatabaseSettings) -> tuple[str, str]:
    """Return the system account's client id and its new secret. Raises `SystemExit` with the reason."""
    logs.configure("admin", level="warning", style="text")
    async with open_database(_dsn(settings), size=1) as database:
        try:
            return await RotateSystemSecret(accounts=PostgresAccounts(database))()
        except ArtStoreError as error:
            raise SystemExit(f"Cannot rotate: {error}") from None


async def _foreign(issuer: TrustedIssuer, settings: Settings, process: Process, clock: Clock) -> TokenReader:
    keys = await process.enter(HttpKeySource(issuer.jwks_url, ca=settings.trusted_issuers_ca))
    return TokenReader(keys, issuer=issuer.issuer, clock=clock, types=FOREIGN_TYPES, subject=issuer.alias)


def _secret(path: Path | None) -> str | None:
    return read_secret(path) if path is not None else None


def _sealer(settings: Settings) -> Sealer:
    try:
        return Sealer(read_secret(settings.key_encryption_key_file))
    except KeysUnreadable as error:
        raise SystemExit(f"Cannot start: {error}") from None


def _dsn(settings: DatabaseSettings) -> str:
    return settings.postgres_dsn.get_secret_value()


def _show(client_id: str, secret: str) -> None:
    """Once, and not in a log: nobody else knows the secret."""
    sys.stdout.write(f"The system account was made: client_id {client_id}, client_secret {secret}\n")
    sys.stdout.flush()
