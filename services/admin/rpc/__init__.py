"""Admin on the wire: one servicer per proto service."""

from __future__ import annotations

from dataclasses import dataclass

import grpc
from artstore.admin.v1 import (
    accounts_pb2,
    accounts_pb2_grpc,
    auth_pb2,
    auth_pb2_grpc,
    elements_pb2,
    elements_pb2_grpc,
    health_pb2,
    health_pb2_grpc,
    keys_pb2,
    maintenance_pb2,
    maintenance_pb2_grpc,
    operations_pb2,
    registry_pb2,
    registry_pb2_grpc,
    totp_pb2,
    users_pb2,
)

from services.admin.rpc.accounts import AccountControlServicer, AccountReadServicer
from services.admin.rpc.auth import AuthServicer, KeyServicer, TokenReadServicer
from services.admin.rpc.elements import ElementControlServicer, ElementReadServicer, PlacementServicer
from services.admin.rpc.health import HealthWatchServicer
from services.admin.rpc.keeping import KeepingUseCases, add_keeping_to
from services.admin.rpc.keys import KeyUseCases, add_keys_to
from services.admin.rpc.maintenance import ElementLiveServicer, ElementMaintenanceServicer
from services.admin.rpc.operations import OperationUseCases, add_operations_to
from services.admin.rpc.registry import RegistryRepairServicer, RegistryWriteServicer
from services.admin.rpc.users import TotpUseCases, UserUseCases, add_users_to
from services.admin.usecases.change_account import DeleteAccount, RotateAccountSecret, UpdateAccount
from services.admin.usecases.change_element import RemoveElement, UpdateElement
from services.admin.usecases.create_account import CreateAccount
from services.admin.usecases.exchange_token import TokenEndpoint
from services.admin.usecases.follow_elements import FollowElements
from services.admin.usecases.key_ring import KeyRing
from services.admin.usecases.list_accounts import GetAccount, ListAccounts
from services.admin.usecases.list_elements import GetElement, ListElements
from services.admin.usecases.mark_missing import MarkMissing
from services.admin.usecases.register_element import DiscoverElement, RegisterElement
from services.admin.usecases.register_file import LocateFile, RegisterFile
from services.admin.usecases.run_element import CollectElementGarbage, LookIntoElement, TransitionElementMode
from services.admin.usecases.select_element import AvoidElement, SelectElement
from services.admin.usecases.standing import Standing
from services.admin.usecases.token_state import IntrospectToken, RevokeToken


@dataclass(frozen=True, slots=True, kw_only=True)
class UseCases:
    """All that Admin offers to others."""

    issue_token: TokenEndpoint
    revoke_token: RevokeToken
    introspect_token: IntrospectToken
    keys: KeyRing
    list_elements: ListElements
    get_element: GetElement
    follow_elements: FollowElements
    discover_element: DiscoverElement
    register_element: RegisterElement
    update_element: UpdateElement
    remove_element: RemoveElement
    look_into_element: LookIntoElement
    transition_element_mode: TransitionElementMode
    collect_element_garbage: CollectElementGarbage
    select_element: SelectElement
    avoid_element: AvoidElement
    register_file: RegisterFile
    locate_file: LocateFile
    mark_missing: MarkMissing
    standing: Standing
    list_accounts: ListAccounts
    get_account: GetAccount
    create_account: CreateAccount
    update_account: UpdateAccount
    delete_account: DeleteAccount
    rotate_account_secret: RotateAccountSecret
    users: UserUseCases
    signing_keys: KeyUseCases
    operations: OperationUseCases
    keeping: KeepingUseCases


def add_to(server: grpc.aio.Server, can: UseCases) -> list[str]:
    """Serve everything; return the names of the services."""
    auth_pb2_grpc.add_AuthServiceServicer_to_server(AuthServicer(can.issue_token, can.revoke_token), server)
    auth_pb2_grpc.add_TokenReadServiceServicer_to_server(TokenReadServicer(can.introspect_token), server)
    auth_pb2_grpc.add_KeyServiceServicer_to_server(KeyServicer(can.keys), server)
    elements_pb2_grpc.add_ElementReadServiceServicer_to_server(
        ElementReadServicer(can.list_elements, can.get_element, can.discover_element), server
    )
    elements_pb2_grpc.add_ElementControlServiceServicer_to_server(
        ElementControlServicer(can.register_element, can.update_element, can.remove_element, can.standing), server
    )
    maintenance_pb2_grpc.add_ElementLiveServiceServicer_to_server(ElementLiveServicer(can.look_into_element), server)
    maintenance_pb2_grpc.add_ElementMaintenanceServiceServicer_to_server(
        ElementMaintenanceServicer(
            can.transition_element_mode, can.collect_element_garbage, can.operations, can.standing
        ),
        server,
    )
    elements_pb2_grpc.add_PlacementServiceServicer_to_server(
        PlacementServicer(can.select_element, can.avoid_element), server
    )
    health_pb2_grpc.add_HealthWatchServiceServicer_to_server(HealthWatchServicer(can.follow_elements), server)
    registry_pb2_grpc.add_RegistryWriteServiceServicer_to_server(
        RegistryWriteServicer(can.register_file, can.locate_file), server
    )
    registry_pb2_grpc.add_RegistryRepairServiceServicer_to_server(RegistryRepairServicer(can.mark_missing), server)
    accounts_pb2_grpc.add_AccountReadServiceServicer_to_server(
        AccountReadServicer(can.list_accounts, can.get_account), server
    )
    accounts_pb2_grpc.add_AccountControlServiceServicer_to_server(
        AccountControlServicer(can.create_account, can.update_account, can.delete_account, can.rotate_account_secret),
        server,
    )
    add_users_to(server, can.users)
    add_keys_to(server, can.signing_keys)
    add_operations_to(server, can.operations, can.standing)
    keeping = add_keeping_to(server, can.keeping, can.standing)
    files = (
        *(accounts_pb2, auth_pb2, elements_pb2, health_pb2, keys_pb2),
        *(maintenance_pb2, operations_pb2, registry_pb2, totp_pb2, users_pb2),
    )
    return [*keeping, *(service.full_name for file in files for service in file.DESCRIPTOR.services_by_name.values())]


__all__ = ["KeepingUseCases", "KeyUseCases", "OperationUseCases", "TotpUseCases", "UseCases", "UserUseCases", "add_to"]
