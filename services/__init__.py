"""The processes of ArtStore, one package each, and what they share (`model`, `chassis`)."""

import os

# TLS 1.3 only. grpcio has no switch for that, and reads its settings when it is first imported, so this stands here,
# above every module that imports it. All our certificates are ECDSA: with a single RSA suite for TLS 1.2 no handshake
# of that version can succeed; the suites of TLS 1.3 are not touched by this variable.
os.environ["GRPC_SSL_CIPHER_SUITES"] = "ECDHE-RSA-AES256-GCM-SHA384"
# It writes notes of its own beside our logs, which would then no longer be JSON line by line: errors only.
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
