"""Between the protos and the model, in both directions; the servicers' side and the clients' side use the same.

`…_to_proto` never fails on a checked model value. `…_from_proto` raises `ValidationFailed` naming the field that
cannot be understood; it does not apply the model's own limits (`NewFile.check` and its like do).
"""

from clients.wire.accounts import (
    account_from_proto,
    account_status_from_proto,
    account_status_to_proto,
    account_to_proto,
)
from clients.wire.elements import (
    address_from_proto,
    address_to_proto,
    element_from_proto,
    element_status_from_proto,
    element_status_to_proto,
    element_to_proto,
    info_from_proto,
    info_to_proto,
    mode_from_proto,
    mode_to_proto,
    required_mode_from_proto,
)
from clients.wire.files import (
    change_from_proto,
    change_to_proto,
    commit_from_proto,
    commit_to_proto,
    file_from_proto,
    file_to_proto,
    new_file_from_proto,
    new_file_to_proto,
    policy_from_proto,
    policy_to_proto,
    range_from_proto,
    range_to_proto,
    status_from_proto,
    status_to_proto,
    trailer_from_proto,
    trailer_to_proto,
)
from clients.wire.paging import page_from_proto, page_info_to_proto, page_request_from_proto, page_request_to_proto
from clients.wire.scalars import time_from_proto, time_to_proto
from clients.wire.search import hit_from_proto, hit_to_proto, search_from_proto, search_to_proto

__all__ = [
    "account_from_proto",
    "account_status_from_proto",
    "account_status_to_proto",
    "account_to_proto",
    "address_from_proto",
    "address_to_proto",
    "change_from_proto",
    "change_to_proto",
    "commit_from_proto",
    "commit_to_proto",
    "element_from_proto",
    "element_status_from_proto",
    "element_status_to_proto",
    "element_to_proto",
    "file_from_proto",
    "file_to_proto",
    "hit_from_proto",
    "hit_to_proto",
    "info_from_proto",
    "info_to_proto",
    "mode_from_proto",
    "mode_to_proto",
    "new_file_from_proto",
    "new_file_to_proto",
    "page_from_proto",
    "page_info_to_proto",
    "page_request_from_proto",
    "page_request_to_proto",
    "policy_from_proto",
    "policy_to_proto",
    "range_from_proto",
    "range_to_proto",
    "required_mode_from_proto",
    "search_from_proto",
    "search_to_proto",
    "status_from_proto",
    "status_to_proto",
    "time_from_proto",
    "time_to_proto",
    "trailer_from_proto",
    "trailer_to_proto",
]
