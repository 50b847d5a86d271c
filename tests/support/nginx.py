"""The proxy that `deploy/nginx.conf` describes."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
import subprocess
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

CONF = Path(__file__).parents[2] / "deploy" / "nginx.conf"


def free_port() -> int:
    with socket.socket() as looked_for:
        looked_for.bind(("127.0.0.1", 0))
        port: int = looked_for.getsockname()[1]
        return port


def written(folder: Path, port: int, upstream: str, second: str) -> Path:
    """Write the file as it is shipped, but for what belongs to one machine, and with waits of one second."""
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-days", "2"),
            *("-keyout", str(folder / "key"), "-out", str(folder / "cert")),
        ],
        check=True,
        capture_output=True,
    )
    text = CONF.read_text()
    for shipped, here in {
        "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
        "/etc/ssl/certs/recordings.example.com.pem": str(folder / "cert"),
        "/etc/ssl/private/recordings.example.com.key": str(folder / "key"),
        "server 127.0.0.1:8080": f"server {upstream}",
        "server 127.0.0.1:8081": f"server {second}",
        "/run/nginx.pid": str(folder / "pid"),
        "/var/log/nginx": str(folder),
        "client_header_timeout 10s": "client_header_timeout 1s",
        "client_body_timeout 10s": "client_body_timeout 1s",
    }.items():
        assert shipped in text
        text = text.replace(shipped, here)
    path = folder / "nginx.conf"
    path.write_text(f"daemon off;\nuser root;\n{text}")
    return path


@asynccontextmanager
async def proxy(folder: Path, upstream: str, second: str = "127.0.0.1:1") -> AsyncIterator[int]:
    """Run nginx until the end of the block; a port that another program took meanwhile is exchanged.

    `upstream` and `second` are addresses of two processes; nobody is at the latter unless a test says so.
    """
    nginx = shutil.which("nginx") or "/usr/sbin/nginx"
    for _ in range(5):
        port = free_port()
        process = await asyncio.create_subprocess_exec(
            *(
                nginx,
                "-c",
                str(written(folder, port, upstream, second)),
                "-e",
                str(folder / "start.log"),
                "-p",
                str(folder),
            ),
            stderr=subprocess.DEVNULL,
        )
        try:
            if await listens(port, process):
                yield port
                return
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()
    pytest.fail((folder / "start.log").read_text())


async def listens(port: int, process: asyncio.subprocess.Process) -> bool:
    async with asyncio.timeout(20):
        while process.returncode is None:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return True
            await asyncio.sleep(0.02)
    return False


def client(port: int) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=f"https://127.0.0.1:{port}", verify=False, timeout=30)  # noqa: S501  (of the test's own)
