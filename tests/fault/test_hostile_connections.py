"""Clients that say nothing, half of it, a byte now and then, or go on sending what was refused (faults 29 and 30)."""

from __future__ import annotations

import asyncio
import contextlib
import json
import resource
import time
from typing import TYPE_CHECKING

import httpx
import psutil
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from receiver.app.http_server import Deadlines, RoomSize, Server, server_config
from receiver.app.process import listening
from tests.support.payloads import payload
from tests.support.service import WEBHOOK_SECRET

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request

    from tests.support.service import Service

HALF_HEAD = b"POST /webhooks/recording-done/guess HTTP/1.1\r\nHost: x\r\nContent-Ty"
REFUSED = b"POST /webhooks/recording-done/guess HTTP/1.1\r\nHost: x\r\nContent-Length: 900000\r\n\r\n{"
SHORT = Deadlines(head_s=0.3, body_s=0.6, answer_s=0.3, linger_s=0.2)


@contextlib.asynccontextmanager
async def serving(room: RoomSize, deadlines: Deadlines) -> AsyncIterator[tuple[str, int]]:
    """Serve an application that reads no body, but at /read; /long answers 20 MB."""

    async def refuse(_request: Request) -> PlainTextResponse:
        return PlainTextResponse("no", status_code=401)

    async def read(request: Request) -> PlainTextResponse:
        return PlainTextResponse(str(len(await request.body())))

    async def long(_request: Request) -> PlainTextResponse:
        return PlainTextResponse("x" * 20_000_000)

    app = Starlette(
        routes=[
            Route("/refuse", refuse, methods=["POST"]),
            Route("/read", read, methods=["POST"]),
            Route("/long", long),
        ]
    )
    with listening("127.0.0.1", 0) as bound:
        server = Server(server_config(app, room, deadlines=deadlines))
        running = asyncio.create_task(server.serve(sockets=[bound]))
        try:
            yield bound.getsockname()
        finally:
            server.end()
            await running


async def closed_after_s(reader: asyncio.StreamReader) -> float:
    """Return how long the other side takes to end the connection."""
    began_s = time.monotonic()
    with contextlib.suppress(ConnectionError):
        async with asyncio.timeout(5):
            await reader.read()
    return time.monotonic() - began_s


@pytest.mark.parametrize("sent", [b"", b"GET / HT", HALF_HEAD], ids=["nothing", "half_a_line", "half_a_head"])
async def test_a_head_that_does_not_come_ends_the_connection(sent: bytes) -> None:
    async with serving(RoomSize(50, 50), SHORT) as address:
        reader, writer = await asyncio.open_connection(*address)
        writer.write(sent)
        assert 0.2 < await closed_after_s(reader) < 2
        writer.close()


async def test_a_head_that_comes_a_byte_at_a_time_does_not_live_longer() -> None:
    async with serving(RoomSize(50, 50), SHORT) as address:
        reader, writer = await asyncio.open_connection(*address)

        async def drip() -> None:
            with contextlib.suppress(ConnectionError):
                for byte in HALF_HEAD:
                    writer.write(bytes([byte]))
                    await writer.drain()
                    await asyncio.sleep(0.02)

        dripping = asyncio.create_task(drip())
        assert 0.2 < await closed_after_s(reader) < 1.2
        dripping.cancel()
        writer.close()


async def test_a_body_that_does_not_end_ends_the_connection() -> None:
    async with serving(RoomSize(50, 50), SHORT) as address:
        reader, writer = await asyncio.open_connection(*address)
        writer.write(b"POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{")
        assert 0.5 < await closed_after_s(reader) < 2
        writer.close()


async def test_an_answer_that_is_not_read_ends_the_connection() -> None:
    async with serving(RoomSize(50, 50), SHORT) as address:
        reader, writer = await asyncio.open_connection(*address, limit=1024)
        writer.write(b"GET /long HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.readline()
        transport = writer.transport
        assert isinstance(transport, asyncio.Transport)
        transport.pause_reading()
        connection = psutil.Process().net_connections("tcp")
        own = writer.get_extra_info("sockname")[1]
        assert any(one.raddr and one.raddr.port == own for one in connection)
        async with asyncio.timeout(5):
            while any(
                one.raddr and one.raddr.port == own and one.status == "ESTABLISHED"
                for one in psutil.Process().net_connections("tcp")
            ):
                await asyncio.sleep(0.05)
        writer.close()


async def test_a_refusal_is_read_to_its_end_though_its_body_still_comes() -> None:
    async with serving(RoomSize(50, 50), SHORT) as address:
        reader, writer = await asyncio.open_connection(*address)
        writer.write(b"POST /refuse HTTP/1.1\r\nHost: x\r\nContent-Length: 500000\r\n\r\n" + b"x" * 200_000)
        answer = await asyncio.wait_for(reader.read(), 5)  # to the server's end: it hangs up
        assert answer.startswith(b"HTTP/1.1 401 ")
        assert b"connection: close" in answer
        assert answer.endswith(b"no")
        writer.close()


async def test_a_refused_body_that_goes_on_is_hung_up_on() -> None:
    async with serving(RoomSize(50, 50), Deadlines(linger_s=30)) as address:
        _, writer = await asyncio.open_connection(*address)
        writer.write(b"POST /refuse HTTP/1.1\r\nHost: x\r\nContent-Length: 90000000\r\n\r\n")

        async def send() -> None:
            for _ in range(10_000):
                writer.write(b"x" * 10_000)
                await writer.drain()

        with pytest.raises(ConnectionError):
            await send()
        writer.close()


async def test_whoever_owes_longest_makes_room_and_a_request_under_way_does_not() -> None:
    async with serving(RoomSize(3, 50), Deadlines()) as address:
        reader, writer = await asyncio.open_connection(*address)
        writer.write(b"POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")
        assert b"200" in await reader.readline()  # answered: it owes the next request, since now
        silent = [await asyncio.open_connection(*address) for _ in range(10)]
        for early, _ in silent[:7]:
            assert await early.read() == b""
        late, late_writer = silent[-1]
        late_writer.write(b"POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")
        assert b"200" in await late.readline()
        for _, one in silent:
            one.close()
        writer.close()


@pytest.fixture
def many_files() -> None:
    """Let the test itself hold thousands of connections."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def hold(url: str, count: int, sent: bytes) -> list[asyncio.StreamWriter]:
    host, port = httpx.URL(url).host, httpx.URL(url).port
    held = []
    for _ in range(count):
        _, writer = await asyncio.open_connection(host, port)
        writer.write(sent)
        held.append(writer)
    return held


async def answered(service: Service, number: int) -> None:
    """Show that a good webhook is answered within a second and probes are 200, each over a new connection.

    The best of three counts: what else runs on the tests' machine is not the question.
    """
    took_s = []
    for attempt in range(3):
        began_s = time.monotonic()
        assert (await service.post(payload(f"good-{number}-{attempt}"))).status_code == 202
        took_s.append(time.monotonic() - began_s)
    assert min(took_s) < 1
    async with httpx.AsyncClient(base_url=service.url) as client:
        for probe in ("/healthz", "/readyz", "/metrics"):
            assert (await client.get(probe)).status_code == 200


async def test_a_webhook_and_probes_get_in_beside_thousands_that_do_not_say_what_they_want(
    service: Service, many_files: None
) -> None:
    async with service:
        await answered(service, 0)
        assert service.process is not None
        process = psutil.Process(service.process.pid)
        before_bytes = process.memory_info().rss
        held = []
        for number, (count, sent) in enumerate(((900, b""), (900, HALF_HEAD), (700, REFUSED)), start=1):
            held += await hold(service.url, count, sent)
            await answered(service, number)
        grown_bytes = process.memory_info().rss - before_bytes
        for writer in held:
            writer.close()
        log = service.log_path.read_text()
    assert grown_bytes < 100_000_000
    assert log.count("connections_dropped") < 10
    assert WEBHOOK_SECRET not in log


async def test_a_process_with_few_descriptors_stays_up(service: Service) -> None:
    service.prefix = ("prlimit", "--nofile=512:512")
    async with service:
        held = await hold(service.url, 600, b"")
        await answered(service, 0)
        for writer in held:
            writer.close()
        assert service.is_running
        lines = [json.loads(line)["event"] for line in service.log_path.read_text().splitlines()]
    assert lines.count("connections_dropped") + lines.count("connections_not_accepted") < 10
