"""Channels to other modules: mutual TLS, message limits, keepalive, reconnection."""

from __future__ import annotations

from typing import Any

import grpc

from services.chassis import telemetry
from services.chassis.tls import TlsFiles, element_server_name, server_name_of

MAX_MESSAGE_BYTES = 4 << 20
"""Both ways; chunks are at most 1 MiB."""
MAX_METADATA_BYTES = 32 << 10
WINDOW_BYTES = 128 << 10
"""What may be on its way to us on one stream before it is asked for; each whose reader does not read holds so much. A
message that we wait for is let through whole, so that on a long way a stream gets a chunk for each round trip."""

SHARED_OPTIONS: tuple[tuple[str, Any], ...] = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_metadata_size", MAX_METADATA_BYTES),
    # How far a sender may be ahead of us, on each stream. Left alone, gRPC estimates it from what the network carries:
    # on one machine it was seen to take in 40 MiB for each of 50 readers that had stopped reading.
    ("grpc.http2.bdp_probe", 0),
    ("grpc.http2.lookahead_bytes", WINDOW_BYTES),
    # A chunk in one frame instead of dozens: a few per cent less work on both sides.
    ("grpc.http2.max_frame_size", (1 << 20) + 64),
)

_CHANNEL_OPTIONS: tuple[tuple[str, Any], ...] = (
    *SHARED_OPTIONS,
    # Agrees with the server's minimum of 20 s, else it would answer "too_many_pings".
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    # A peer that restarts must be found again within a second or two, not after gRPC's default of up to 120 s.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 500),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    # Retries are made at one layer only: in clients/.
    ("grpc.enable_retries", 0),
    # Connections of one process to different elements must not share state.
    ("grpc.use_local_subchannel_pool", 1),
)


def open_channel(address: str, *, server_name: str, tls: TlsFiles) -> grpc.aio.Channel:
    """A channel to `address` ("host:port") that takes only a peer whose certificate has the DNS name `server_name`.

    Open it inside the running loop; it connects with the first call. Close it with `await channel.close()`.
    """
    return grpc.aio.secure_channel(
        address,
        tls.channel_credentials(),
        options=[*_CHANNEL_OPTIONS, ("grpc.ssl_target_name_override", server_name)],
        interceptors=telemetry.client_interceptors() or None,
    )


__all__ = ["MAX_MESSAGE_BYTES", "SHARED_OPTIONS", "element_server_name", "open_channel", "server_name_of"]
