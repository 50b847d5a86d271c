"""Threads that move bytes, and step back for those that answer."""

from __future__ import annotations

import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

NICE = 10
"""A tenth of the weight of who answers: on Linux, where a thread has a niceness of its own.

While eight copies kept two cores busy, deliveries one after the other took (median, p99) 46 and 96 ms beside equal
threads, 20 and 58 so. At 19 it was 18 and 49, but beside other busy programs a copy would get next to nothing.
"""


def copying_threads(most: int, name: str) -> ThreadPoolExecutor:
    """Return a pool for work that is in no hurry: bytes, not answers."""
    return ThreadPoolExecutor(most, thread_name_prefix=name, initializer=_step_back)


def _step_back() -> None:
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
