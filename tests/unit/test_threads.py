from __future__ import annotations

import os
import sys
import threading

import pytest

from receiver.threads import NICE, copying_threads


def niceness() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


def test_who_moves_bytes_steps_back_and_nobody_else_does() -> None:
    before = niceness()
    with copying_threads(1, "test") as pool:
        assert pool.submit(niceness).result() == (NICE if sys.platform == "linux" else before)
    assert niceness() == before


if sys.platform == "linux":

    def policy() -> int:
        return os.sched_getscheduler(threading.get_native_id())

    def test_who_moves_bytes_interrupts_nobody_when_woken() -> None:
        before = policy()
        with copying_threads(1, "test") as pool:
            assert pool.submit(policy).result() == os.SCHED_BATCH
        assert policy() == before

    def test_a_system_that_lets_no_thread_step_back_copies_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
        def refused(*_: object) -> None:
            raise PermissionError

        monkeypatch.setattr(os, "setpriority", refused)
        with copying_threads(1, "test") as pool:
            assert pool.submit(lambda: 1).result() == 1
