"""What systemd is told, or whoever else names a socket in NOTIFY_SOCKET (sd_notify(3)): ready, alive, stopping.

The protocol is a datagram of lines; libraries for it are years without a release or need libsystemd's headers.
"""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from receiver import logs

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_PATIENCE_S = 1.0
"""A supervisor whose queue is full for longer is not waited for: the service has other things to do."""
_log = logs.get("app")


@asynccontextmanager
async def supervised(stop: asyncio.Event) -> AsyncIterator[None]:
    """Say that the service is ready, that it lives while the event loop turns, and once `stop` is set that it stops."""
    _tell("READY=1")
    telling = asyncio.create_task(_tell_on(stop), name="supervisor")
    try:
        yield
    finally:
        telling.cancel()
        with suppress(asyncio.CancelledError):
            await telling


async def _tell_on(stop: asyncio.Event) -> None:
    every_s = _watchdog_s()
    while not stop.is_set():
        try:
            await asyncio.wait_for(stop.wait(), every_s)
        except TimeoutError:
            _tell("WATCHDOG=1")
    _tell("STOPPING=1")
    while every_s is not None:  # what drains is alive as well
        _tell("WATCHDOG=1")
        await asyncio.sleep(every_s)


def _watchdog_s() -> float | None:
    """Return half the time after which the supervisor takes the service for dead; None where it does not watch."""
    watched = os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    usec = os.environ.get("WATCHDOG_USEC", "")
    return int(usec) / 2_000_000 if watched and usec.isdecimal() and int(usec) else None


def _tell(lines: str) -> None:
    """Send a datagram where somebody listens; one that cannot be sent is logged, and the service goes on."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    if address.startswith("@"):  # an abstract socket
        address = f"\0{address[1:]}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sending:
        sending.settimeout(_PATIENCE_S)
        try:
            sending.connect(address)
            sending.sendall(lines.encode())
        except OSError as e:
            _log.warning("supervisor_not_told", lines=lines, error=str(e))
