"""Threads beside the event loop: for what would keep it from others, and for bytes that step back for answers."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
T = TypeVar("T")

NICE = 10
"""A tenth of the weight of who answers: on Linux, where a thread has a niceness of its own.

While eight copies with TLS kept two cores busy, deliveries one after the other took (median, p99) 46 and 96 ms beside
equal threads, 20 to 22 and 52 to 80 so, and 17 and 39 to 48 with SCHED_BATCH too, under which a thread that wakes
interrupts no other. At 19 it was 18 and 49, but beside other busy programs a copy would get next to nothing.
(Since then no more copies than there are cores move bytes at once.)
"""
_LARGE_BYTES = 64 * 1024
"""Of JSON; what is made of less takes a millisecond or two, which another thread would not save."""
_large = ThreadPoolExecutor(1, "large")
"""One at a time: a body can become fifty times its size while it is read."""


def copying_threads(most: int, name: str) -> ThreadPoolExecutor:
    """Return a pool for work that is in no hurry: bytes, not answers."""
    return ThreadPoolExecutor(most, thread_name_prefix=name, initializer=_step_back)


def shut(connected: socket.socket) -> None:
    """End a connection under the thread that waits for it.

    An `SSLSocket`'s own `shutdown` drops its TLS first, so that a write that is under way would go out in the clear.
    """
    with suppress(OSError):
        socket.socket.shutdown(connected, socket.SHUT_RDWR)


async def unless_small(size_bytes: int, work: Callable[P, T], *args: P.args, **options: P.kwargs) -> T:
    """Do what takes time for large inputs in another thread where this one is large, and at once where it is not."""
    if size_bytes <= _LARGE_BYTES:
        return work(*args, **options)
    return await asyncio.get_running_loop().run_in_executor(_large, partial(work, *args, **options))


def _step_back() -> None:
    if sys.platform == "linux":
        thread = threading.get_native_id()
        with suppress(OSError):  # a sandbox may forbid it, and copies go on without
            os.setpriority(os.PRIO_PROCESS, thread, NICE)
            os.sched_setscheduler(thread, os.SCHED_BATCH, os.sched_param(0))
