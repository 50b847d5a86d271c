"""The proxy that `deploy/nginx.conf` describes, run before a service."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from typing import TYPE_CHECKING

from tests.support.databases import ON_SQLITE
from tests.support.nginx import client, proxy
from tests.support.payloads import payload
from tests.support.service import WEBHOOK_SECRET

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.service import Service

HEAD = f"POST /webhooks/recording-done/{WEBHOOK_SECRET} HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\n".encode()


def written_by_nginx(folder: Path) -> str:
    return "".join((folder / name).read_text() for name in ("access.log", "error.log", "start.log"))


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
