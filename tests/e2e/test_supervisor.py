"""What systemd hears of a service with `Type=notify`, over a real datagram socket."""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.support.databases import ON_POSTGRESQL, ON_SQLITE
from tests.support.service import worker_process

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.service import Service


class Supervisor:
    """The other end: a bound datagram socket, read without blocking the loop."""

    def __init__(self, bound: socket.socket) -> None:
        self._socket = bound

    async def hears(self) -> str:
        return (await asyncio.wait_for(asyncio.get_running_loop().sock_recv(self._socket, 4096), 60)).decode()


@contextmanager
def listening(address: str) -> Iterator[Supervisor]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bound:
        bound.bind(address.replace("@", "\0", 1))
        bound.setblocking(False)
        yield Supervisor(bound)


@ON_SQLITE  # the database is not what is asked here
async def test_serve_says_that_it_is_ready_that_it_lives_and_that_it_stops(service: Service, tmp_path: Path) -> None:
    service.environ |= {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "400000"}
    with listening(service.environ["NOTIFY_SOCKET"]) as supervisor:
        await service.start()
        assert await supervisor.hears() == "READY=1"
        assert await supervisor.hears() == "WATCHDOG=1"
        stopping = asyncio.create_task(service.stop())
        while (said := await supervisor.hears()) == "WATCHDOG=1":
            pass
        assert said == "STOPPING=1"
        assert await stopping == 0


@ON_SQLITE  # likewise
async def test_a_watchdog_of_another_process_and_a_supervisor_that_is_gone_change_nothing(
    service: Service, tmp_path: Path
) -> None:
    notified = {"NOTIFY_SOCKET": str(tmp_path / "notify")}
    service.environ |= {**notified, "WATCHDOG_USEC": "1000", "WATCHDOG_PID": str(os.getpid())}
    with listening(notified["NOTIFY_SOCKET"]) as supervisor:
        await service.start()
        assert await supervisor.hears() == "READY=1"
    assert await service.stop() == 0
    assert b"supervisor_not_told" in service.log_path.read_bytes()
    assert b"WATCHDOG" not in service.log_path.read_bytes()


@ON_POSTGRESQL  # a worker alone needs it
@pytest.mark.parametrize("port", ["", "0"], ids=["alone", "with its port"])
async def test_a_worker_says_the_same(service: Service, port: str) -> None:
    service.environ |= {"NOTIFY_SOCKET": f"@receiver-test-{os.urandom(8).hex()}", "RECEIVER_WORK_PORT": port}
    with listening(service.environ["NOTIFY_SOCKET"]) as supervisor:
        async with worker_process(service, "worker"):
            assert await supervisor.hears() == "READY=1"
        assert await supervisor.hears() == "STOPPING=1"
