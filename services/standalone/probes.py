"""Asking a process whether it is ready."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

Probe = Callable[[], Awaitable[str | None]]
"""Returns None when the process is ready, else why not, in words."""

PATIENCE = 5.0
"""Seconds for one answer."""


async def request(method: str, path: str, where: int | Path) -> tuple[int, str]:
    """Ask a port on 127.0.0.1, or a Unix socket, in plain HTTP; return status and body. Raises `OSError`."""
    try:
        async with asyncio.timeout(PATIENCE):
            return await _request(method, path, where)
    except TimeoutError:
        raise ConnectionError(f"no answer within {PATIENCE:g} s") from None
    except (ValueError, IndexError, EOFError):
        raise ConnectionError("the answer was not HTTP") from None


async def _request(method: str, path: str, where: int | Path) -> tuple[int, str]:
    reader, writer = (
        await asyncio.open_connection("127.0.0.1", where)
        if isinstance(where, int)
        else await asyncio.open_unix_connection(where)
    )
    try:
        writer.write(
            f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".encode()
        )
        await writer.drain()
        head, _, body = (await reader.read(-1)).partition(b"\r\n\r\n")
    finally:
        writer.close()
    return int(head.split(None, 2)[1]), body.decode(errors="replace")


def http(path: str, where: int | Path) -> Probe:
    """Return a probe that is content with status 200."""

    async def probe() -> str | None:
        try:
            status, body = await request("GET", path, where)
        except (FileNotFoundError, ConnectionRefusedError):
            return "it does not listen yet"
        except OSError as error:
            return f"{path} failed: {error}"
        return None if status == 200 else f"{path} answers {status}: {' '.join(body.split())[:400]}"

    return probe
