"""Real storage elements under test, and what lies on their disks."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from services.model.elements import ElementAddress
from tests.doubles.documents import an_element
from tests.support.certificates import Certificates, environment
from tests.support.processes import READY_TIMEOUT, Running, free_port


class RunningElement:
    """A `python -m services.storage` of its own, on a directory of its own."""

    def __init__(self, process: Running, address: ElementAddress, data: Path) -> None:
        self.process = process
        self.address = address
        self.data = data

    @classmethod
    async def start(
        cls,
        folder: Path,
        certificates: Certificates,
        storage_id: str,
        mode: str,
        *,
        port: int | str = 0,
        name: str = "",
        patience: float | str = READY_TIMEOUT,
        **settings: str,
    ) -> Self:
        """Ready when this returns.

        `port`: where it was before; 0: a new one. `name`: of its log. `patience`: seconds until it must be ready.
        `settings`: without their prefix.
        """
        port, ops = int(port) or free_port(), free_port()
        data = folder / storage_id
        data.mkdir(exist_ok=True)
        process = Running.start(
            "services.storage",
            {
                **environment("SE_", certificates.element(storage_id)),
                "SE_PORT": str(port),
                "SE_OPS_PORT": str(ops),
                "SE_STORAGE_ID": storage_id,
                "SE_DATA_DIR": str(data),
                "SE_INIT": "true",
                "SE_MODE": mode,
                "SE_LOG_FORMAT": "text",
                **{f"SE_{name}": value for name, value in settings.items()},
            },
            ops_port=ops,
            log=folder / f"{name or storage_id}.log",
        )
        try:
            await process.ready(float(patience))
        except BaseException:
            process.kill()
            raise
        return cls(process, an_element(storage_id, f"127.0.0.1:{port}"), data)

    @property
    def port(self) -> int:
        return int(self.address.endpoint.rpartition(":")[2])

    def kept(self) -> set[str]:
        """Names of the content files that are kept."""
        names = {path.name for path in (self.data / "files").rglob("*") if path.is_file()}
        return {name for name in names if not name.endswith(".attr.json")}

    def leftovers(self) -> list[Path]:
        """Temporary files, and attributes without content or content without attributes."""
        files = {path for path in (self.data / "files").rglob("*") if path.is_file()}
        attributes = {path for path in files if path.name.endswith(".attr.json")}
        described = {path.with_name(path.name.removesuffix(".attr.json")) for path in attributes}
        temporary = [path for path in (self.data / "incoming").rglob("*") if path.is_file()]
        return [*temporary, *(described ^ (files - attributes))]
