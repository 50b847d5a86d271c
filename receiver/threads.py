"""Threads that move bytes, and step back for those that answer."""

from __future__ import annotations

import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

NICE = 19
"""As low as it goes. On Linux a thread has a niceness of its own.

While eight copies kept two cores busy, deliveries one after the other took (median, p99) 46 and 96 ms beside equal
threads, 25 and 74 with half of them at 10, 18 and 49 so. Where the cores have time to spare it changes nothing.
"""


def copying_threads(most: int, name: str) -> ThreadPoolExecutor:
    """Return a pool for work that is in no hurry: bytes, not answers."""
    return ThreadPoolExecutor(most, thread_name_prefix=name, initializer=_step_back)


def _step_back() -> None:
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
