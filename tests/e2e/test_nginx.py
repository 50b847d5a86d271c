"""The proxy that `deploy/nginx.conf` describes, run before a service."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
import ssl
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.support.databases import ON_SQLITE
from tests.support.payloads import payload
from tests.support.service import WEBHOOK_SECRET

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.support.service import Service

CONF = Path(__file__).parents[2] / "deploy" / "nginx.conf"
HEAD = f"POST /webhooks/recording-done/{WEBHOOK_SECRET} HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\n".encode()


def free_port() -> int:
    with socket.socket() as looked_for:
        looked_for.bind(("127.0.0.1", 0))
        port: int = looked_for.getsockname()[1]
        return port


def written(folder: Path, port: int, upstream: str) -> Path:
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


@contextlib.asynccontextmanager
async def proxy(folder: Path, upstream: str) -> AsyncIterator[int]:
    """Run nginx until the end of the block; a port that another program took meanwhile is exchanged."""
    nginx = shutil.which("nginx") or "/usr/sbin/nginx"
    for _ in range(5):
        port = free_port()
        process = await asyncio.create_subprocess_exec(
            *(nginx, "-c", str(written(folder, port, upstream)), "-e", str(folder / "start.log"), "-p", str(folder)),
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


def written_by_nginx(folder: Path) -> str:
    return "".join((folder / name).read_text() for name in ("access.log", "error.log", "start.log"))


def client(port: int) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=f"https://127.0.0.1:{port}", verify=False, timeout=30)  # noqa: S501  (of the test's own)


async def raw(port: int, sent: bytes) -> bytes:
    """Send bytes and return all that is answered until the proxy hangs up."""
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting)
    writer.write(sent)
    answer = b""
    with contextlib.suppress(ConnectionError):
        async with asyncio.timeout(20):
            answer = await reader.read()
    writer.close()
    return answer


@ON_SQLITE  # the database is not what is asked here
async def test_a_delivery_gets_through_whole_and_a_stalled_one_is_never_acknowledged(
    service: Service, tmp_path: Path
) -> None:
    hook = f"/webhooks/recording-done/{WEBHOOK_SECRET}"
    async with service, proxy(tmp_path, service.url.removeprefix("http://")) as port, client(port) as outside:
        good = await outside.post(hook, content=payload("a"), headers={"Content-Type": "application/json"})
        assert (good.status_code, good.json()["recordings"]) == (202, [{"id": "a", "state": "pending"}])
        assert (await outside.post(hook, content=b" " * 1_100_000)).status_code == 413
        assert (await outside.get("/healthz")).status_code == 200
        stalled = await raw(port, HEAD + b'{"meeting"')
        assert b" 2" not in stalled.partition(b"\r\n")[0].partition(b"HTTP/1.1")[2][:2]
        assert await raw(port, HEAD[:40]) == b""
        async with service.client() as api:
            assert len((await api.get("/api/deliveries")).json()["items"]) == 1


@ON_SQLITE  # the database is not what is asked here
async def test_no_log_of_the_proxy_holds_the_secret_even_while_the_service_is_down(
    service: Service, tmp_path: Path
) -> None:
    hook = f"/webhooks/recording-done/{WEBHOOK_SECRET}"
    async with service, proxy(tmp_path, service.url.removeprefix("http://")) as port, client(port) as outside:
        assert (await outside.post(hook, content=payload("a"))).status_code == 202
        await service.stop()
        assert (await outside.post(hook, content=payload("b"))).status_code == 502
        await raw(port, HEAD + b"{")
    logged = written_by_nginx(tmp_path)
    assert "POST /webhooks/recording-done 502" in logged
    assert WEBHOOK_SECRET not in logged
