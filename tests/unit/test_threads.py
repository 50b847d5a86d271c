from __future__ import annotations

import os
import sys
import threading

from receiver.threads import NICE, copying_threads


def niceness() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


def test_who_moves_bytes_steps_back_and_nobody_else_does() -> None:
    before = niceness()
    with copying_threads(1, "test") as pool:
        assert pool.submit(niceness).result() == (NICE if sys.platform == "linux" else before)
    assert niceness() == before
