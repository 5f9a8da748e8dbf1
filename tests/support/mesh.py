"""A whole mesh in a folder of its own: `python -m services.standalone up --detach`, and the ways to talk to it."""

from __future__ import annotations

import json
import os
import shutil
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import httpx

from tests.support.processes import free_port

UP_TIMEOUT = 90
"""Seconds that a start may take in a test: two cores are shared by many."""
TIMEOUT = 60
"""Seconds for one request."""


class Mesh:
    """Started with `start`, ended with `close`, whatever happened in between."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.port = free_port()
        self.info: dict[str, Any] = {}
        self.environment: dict[str, str] = {}
        """Further settings for its commands."""

    @classmethod
    def prepared(cls) -> Self:
        """One that is not started yet: for settings."""
        # Not pytest's own folder: PostgreSQL, which refuses to be root, must be able to enter.
        folder = Path(tempfile.mkdtemp(prefix="artstore-mesh-"))
        folder.chmod(0o755)
        return cls(folder)

    @classmethod
    def start(cls) -> Self:
        """A running mesh. Fails with what the start said."""
        mesh = cls.prepared()
        try:
            mesh.up()
        except BaseException:
            mesh.close()
            raise
        return mesh

    def command(self, *arguments: str, timeout: float = UP_TIMEOUT) -> subprocess.CompletedProcess[str]:
        """Run one command of the standalone run on this home."""
        environment = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
        return subprocess.run(
            [sys.executable, "-m", "services.standalone", *arguments],
            env={**environment, "ARTSTORE_HOME": str(self.home), "ARTSTORE_PORT": str(self.port), **self.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
            check=False,
        )

    def up(self) -> str:
        """Start it and return what it said."""
        done = self.command("up", "--detach")
        assert done.returncode == 0, done.stdout
        self.info = json.loads((self.home / "standalone.json").read_text())
        return done.stdout

    def down(self) -> str:
        """Stop it and return what it said."""
        done = self.command("down")
        assert done.returncode == 0, done.stdout
        return done.stdout

    def close(self) -> None:
        """Stop it if it runs, and remove the folder."""
        try:
            if self.home.exists():
                self.down()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def reread(self) -> dict[str, Any]:
        """The present `standalone.json`: process ids change when a process was restarted."""
        self.info = json.loads((self.home / "standalone.json").read_text())
        return self.info

    def pid(self, process: str) -> int:
        """The present id of one process."""
        pid: int = self.reread()["processes"][process]["pid"]
        return pid

    def data_dir(self, element: str) -> Path:
        """The folder of an element."""
        return Path(self.info["processes"][element]["data_dir"])

    def tls(self) -> ssl.SSLContext:
        """What trusts the public door."""
        return ssl.create_default_context(cafile=self.info["ca_cert"])

    def client(self, token: str | None = None, headers: Mapping[str, str] | None = None) -> httpx.Client:
        """A client of the public door; paths are relative to `/api/v1`."""
        bearer = {"Authorization": f"Bearer {token}"} if token is not None else {}
        return httpx.Client(
            base_url=self.info["base_url"] + "/api/v1",
            verify=self.tls(),
            headers={**bearer, **(headers or {})},
            timeout=TIMEOUT,
            trust_env=False,
        )

    def token(self, scope: str | None = None) -> str:
        """A fresh access token of the system account, with all its scopes or with those given."""
        form = {"grant_type": "client_credentials", **({"scope": scope} if scope is not None else {})}
        with self.client() as client:
            answer = client.post("/auth/token", data=form, auth=(self.info["client_id"], self.info["client_secret"]))
        assert answer.status_code == 200, answer.text
        token: str = answer.json()["access_token"]
        return token
