"""What runs on this machine: every process with its settings, and the order in which they start and stop."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from services.standalone import envoy, files, probes, tracing
from services.standalone.certificates import Issued
from services.standalone.config import Settings
from services.standalone.credentials import Credentials
from services.standalone.database import Database
from services.standalone.home import Home
from services.standalone.programs import Hook, Program

PROJECT = Path(__file__).resolve().parents[2]

ELEMENTS = {"se-edit-01": "edit", "se-rw-01": "rw"}
"""The storage elements, by storage id: the mode that each begins with."""

AUDIENCE = "artstore"
OPERATOR = "operator"
"""The certificate for people's own tools: with it, and a token for one element, that element can be called."""
ADMIN_USERNAME = "admin"

PREFIXES = {"admin": "AM_", "ingester": "IM_", "query": "QM_", "gateway": "GW_", **dict.fromkeys(ELEMENTS, "SE_")}
"""How the settings of each process begin."""

PORTS = tuple(f"{name}-{purpose}" for name in PREFIXES for purpose in ("main", "ops"))
"""The names of the inner ports: for each process that of its server, and of its health and metrics."""

FULL_READ = 600.0
"""Seconds that an element may take to read its whole disk again when its index was lost."""
MIGRATION = 3600.0
"""Seconds that migrations may take: of a large registry, an index takes minutes."""
RECOVERY = 300.0
"""Seconds that PostgreSQL may take to recover after a power cut."""


@dataclass(frozen=True)
class Plan:
    """Everything that was found out and made before the first process starts."""

    settings: Settings
    home: Home
    credentials: Credentials
    certificates: Mapping[str, Issued]
    ports: Mapping[str, int]
    public_addresses: tuple[str, ...]
    database: Database
    sockets: Path
    """The run folder, by a path that is short enough for sockets."""
    envoy_program: Path
    inherited: Mapping[str, str]
    """Our own environment."""
    create_cluster: Hook
    """Makes the embedded PostgreSQL's data folder if there is none."""

    @property
    def envoy_admin(self) -> Path:
        """The socket of Envoy's administration."""
        return self.sockets / "envoy-admin.sock"

    def address(self, name: str) -> str:
        """Return where a process serves, as "host:port"."""
        return f"127.0.0.1:{self.ports[f'{name}-main']}"

    def programs(self) -> list[Program]:
        """Return all processes."""
        return [
            *self._postgres(),
            self._migration(),
            self._service("admin", self._admin(), after={"migrate"}),
            *(self._element(storage_id, mode) for storage_id, mode in ELEMENTS.items()),
            self._service("ingester", self._ingester(), after={"admin", *ELEMENTS}, outlives={"gateway"}),
            self._service("query", self._query(), after={"admin", *ELEMENTS}, outlives={"gateway"}),
            self._service("gateway", self._gateway(), after={"admin", *ELEMENTS}),
            self._envoy(),
        ]

    def _postgres(self) -> list[Program]:
        cluster = self.database.cluster
        if cluster is None:
            return []

        async def clear_the_way() -> None:
            await self.create_cluster()
            await cluster.wait_for_orphans()

        return [
            Program(
                "postgres",
                cluster.command,
                {"PATH": os.defpath},
                self.home.postgres,
                cluster.ready,
                account=cluster.account,
                data=cluster.data,
                before_start=clear_the_way,
                prepare=cluster.prepare,
                # "Fast": ends connections instead of waiting for them; "immediate" is its last resort.
                stop_signal=signal.SIGINT,
                last_signal=signal.SIGQUIT,
                outlives=frozenset(ELEMENTS),
                start_patience=RECOVERY,
            )
        ]

    def _migration(self) -> Program:
        return Program(
            "migrate",
            (sys.executable, "-m", "services.admin", "migrate"),
            self._environment("AM_", self._database_settings()),
            PROJECT,
            None,
            after=frozenset({"postgres"} if self.database.cluster else ()),
            start_patience=MIGRATION,
        )

    def _element(self, storage_id: str, mode: str) -> Program:
        folder = self.home.element(storage_id)
        settings = {
            "SE_STORAGE_ID": storage_id,
            "SE_DATA_DIR": str(folder / "data"),
            "SE_INDEX_DIR": str(folder / "index"),
            "SE_INIT": "true",
            "SE_MODE": mode,
            "SE_JWKS_URL": f"{self.settings.base_url}/.well-known/jwks.json",
        }
        return self._service(
            storage_id,
            settings,
            module="services.storage",
            outlives={"admin"},
            data=folder / "data",
            start_patience=FULL_READ,
        )

    def _service(
        self,
        name: str,
        settings: Mapping[str, str],
        *,
        module: str = "",
        after: set[str] | None = None,
        outlives: set[str] | None = None,
        data: Path | None = None,
        start_patience: float = 60.0,
    ) -> Program:
        server, ops = self.ports[f"{name}-main"], self.ports[f"{name}-ops"]
        return Program(
            name,
            (sys.executable, "-m", module or _MODULES.get(name, f"services.{name}")),
            self._environment(PREFIXES[name], {**self._common(name), **settings}),
            PROJECT,
            probes.http("/health/ready", ops),
            after=frozenset(after or ()),
            outlives=frozenset(outlives or ()),
            ports={"http" if name == "gateway" else "grpc": server, "ops": ops},
            data=data,
            start_patience=start_patience,
        )

    def _common(self, name: str) -> dict[str, str]:
        prefix, certificate = PREFIXES[name], self.certificates[name]
        return {
            f"{prefix}HOST": "127.0.0.1",
            f"{prefix}PORT": str(self.ports[f"{name}-main"]),
            f"{prefix}OPS_PORT": str(self.ports[f"{name}-ops"]),
            f"{prefix}TLS_CERT": str(certificate.certificate),
            f"{prefix}TLS_KEY": str(certificate.key),
            f"{prefix}TLS_CA": str(self.home.ca),
            f"{prefix}TOKEN_ISSUER": self.settings.base_url,
            f"{prefix}TOKEN_AUDIENCE": AUDIENCE,
        }

    def _database_settings(self) -> dict[str, str]:
        return {
            "AM_POSTGRES_DSN": self.database.dsn,
            "AM_QUERY_ROLE": self.database.query_role,
            "AM_QUERY_PASSWORD_FILE": str(self.credentials.query_password),
        }

    def _admin(self) -> dict[str, str]:
        return {
            **self._database_settings(),
            "AM_ISSUER": self.settings.base_url,
            "AM_KEY_ENCRYPTION_KEY_FILE": str(self.credentials.key_encryption_key),
            "AM_SYSTEM_CLIENT_ID": self.credentials.client_id.read_text().strip(),
            "AM_SYSTEM_CLIENT_SECRET_FILE": str(self.credentials.client_secret),
            "AM_ADMIN_USERNAME": ADMIN_USERNAME,
            "AM_ADMIN_PASSWORD_FILE": str(self.credentials.admin_password),
        }

    def _ingester(self) -> dict[str, str]:
        return {"IM_ADMIN_ADDR": self.address("admin")}

    def _query(self) -> dict[str, str]:
        return {"QM_ADMIN_ADDR": self.address("admin"), "QM_POSTGRES_DSN": self.database.query_dsn}

    def _gateway(self) -> dict[str, str]:
        return {
            "GW_ADMIN_ADDR": self.address("admin"),
            "GW_INGESTER_ADDR": self.address("ingester"),
            "GW_QUERY_ADDR": self.address("query"),
            "GW_PUBLIC_URL": self.settings.base_url,
        }

    def _environment(self, prefix: str, settings: Mapping[str, str]) -> dict[str, str]:
        """Return a process's environment: ours without what is meant for others, and what it must be told.

        What a person sets with the process's own prefix (`SE_MAX_FILE_SIZE`) reaches it unless it is settled here.
        """
        foreign = tuple(set(PREFIXES.values()) - {prefix})
        inherited = {
            name: value
            for name, value in self.inherited.items()
            if not name.startswith(foreign) and name != "ARTSTORE_POSTGRES_DSN"
        }
        trace = {"ARTSTORE_TRACE_FILE": str(self.settings.trace_file)} if self.settings.trace_file else {}
        return {f"{prefix}LOG_FORMAT": "text", "PYTHONUNBUFFERED": "1", **inherited, **trace, **settings}

    def edge(self) -> envoy.Edge:
        """Return what Envoy's configuration is rendered from."""
        return envoy.Edge(
            addresses=self.public_addresses,
            port=self.settings.port,
            public=self.certificates["public"],
            edge=self.certificates["edge"],
            ca=self.home.ca,
            gateway=("127.0.0.1", self.ports["gateway-main"]),
            admin=("127.0.0.1", self.ports["admin-main"]),
            ingester=("127.0.0.1", self.ports["ingester-main"]),
            query=("127.0.0.1", self.ports["query-main"]),
            descriptors=self.home.run / "descriptors.binpb",
            issuer=self.settings.base_url,
            audience=AUDIENCE,
            admin_socket=self.envoy_admin,
            access_log=self.home.log("envoy-access"),
            cors_origins=self.settings.cors_origins,
            auth_rate=self.settings.auth_rate,
            rate=self.settings.rate,
            tracing=tracing.tracing(self.inherited),
        )

    def _envoy(self) -> Program:
        configuration = self.home.run / "envoy.yaml"

        async def clear_the_way() -> None:
            self.envoy_admin.unlink(missing_ok=True)
            # From the stubs at hand, so that it can never be older than the services.
            self.edge().descriptors.write_bytes(envoy.descriptors())
            files.write(configuration, self.edge().render(), mode=files.PRIVATE, durable=False)

        return Program(
            "envoy",
            envoy.command(self.envoy_program, configuration),
            {"PATH": os.defpath},
            self.home.run,
            probes.http("/ready", self.envoy_admin),
            # Its first act is to fetch the keys that tokens are verified with: through the gateway, from Admin.
            after=frozenset({"gateway"}),
            ports={"https": self.settings.port},
            before_start=clear_the_way,
            before_stop=partial(envoy.drain, self.envoy_admin),
        )


_MODULES = {"gateway": "gateway"}
"""Processes that do not lie in `services`."""
