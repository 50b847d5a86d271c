from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from receiver.transfer import cores as module
from receiver.transfer.cores import LONGEST_WAIT_S, SLOW_S, TURN_S, Cores, CoreTurn


class Clock:
    """Stands still until it is told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_s = 100.0
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: self.now_s))


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


@pytest.fixture
def threads():
    with ThreadPoolExecutor(8) as pool:
        yield pool


def until_waiting(cores, count):
    ends_at = time.monotonic() + 5
    while len(cores._waiting) < count:
        assert time.monotonic() < ends_at


def free(cores):
    """Count the cores that nobody has."""
    return cores._free


def test_as_many_as_there_are_cores_have_one_and_the_rest_come_first_come_first_served(threads, monkeypatch):
    monkeypatch.setattr(module, "LONGEST_WAIT_S", 60)
    cores, order = Cores(2), []

    def wait(name):
        assert cores.take()
        order.append(name)

    assert cores.take()
    assert cores.take()
    waiting = []
    for number, name in enumerate("abc", 1):
        waiting.append(threads.submit(wait, name))
        until_waiting(cores, number)
    assert cores.are_awaited
    for one in waiting:
        cores.give_back()
        one.result(5)
    assert order == ["a", "b", "c"]
    assert not cores.are_awaited
    cores.give_back()
    cores.give_back()
    assert free(cores) == 2


def test_who_waited_too_long_goes_without_and_is_handed_nothing_later():
    cores = Cores(1)
    assert cores.take()
    began_s = time.monotonic()
    assert not cores.take()
    assert time.monotonic() - began_s >= LONGEST_WAIT_S
    cores.give_back()
    assert free(cores) == 1


def test_no_core_is_lost_where_waiting_too_long_and_a_hand_over_cross(threads, monkeypatch):
    monkeypatch.setattr(module, "LONGEST_WAIT_S", 0.0005)
    cores = Cores(2)
    begun = threading.Barrier(8)

    def work():
        begun.wait()
        turns = 0
        for _ in range(300):
            if cores.take():
                turns += 1
                time.sleep(0.0003)
                cores.give_back()
        return turns

    turns = [one.result(60) for one in [threads.submit(work) for _ in range(8)]]
    assert all(turns)
    assert (free(cores), cores.are_awaited) == (2, False)


def test_a_turn_is_kept_for_some_chunks_while_nobody_waits_and_given_up_then(clock, threads, monkeypatch):
    monkeypatch.setattr(module, "LONGEST_WAIT_S", 60)
    cores = Cores(1)
    one, other = CoreTurn(cores), CoreTurn(cores)
    one.begin()
    clock.now_s += TURN_S * 1.1
    one.begin()
    waiting = threads.submit(other.begin)
    until_waiting(cores, 1)
    again = threads.submit(one.begin)
    waiting.result(5)
    until_waiting(cores, 1)
    other.end()
    again.result(5)
    one.end()
    assert free(cores) == 1


def test_a_turn_is_not_given_up_before_its_time(clock, threads, monkeypatch):
    monkeypatch.setattr(module, "LONGEST_WAIT_S", 60)
    cores = Cores(1)
    one, other = CoreTurn(cores), CoreTurn(cores)
    one.begin()
    waiting = threads.submit(other.begin)
    until_waiting(cores, 1)
    clock.now_s += TURN_S * 0.9
    one.begin()
    assert not waiting.done()
    one.end()
    waiting.result(5)
    other.end()


def test_a_copy_that_waits_for_its_network_has_no_core_until_it_is_fast_again(clock):
    cores = Cores(1)
    turn = CoreTurn(cores)
    turn.begin()
    clock.now_s += SLOW_S * 1.1
    turn.begin()
    assert free(cores) == 1
    clock.now_s += SLOW_S * 0.5
    turn.begin()
    assert free(cores) == 0
    turn.end()
    turn.end()
    assert free(cores) == 1


def test_the_cores_are_those_that_this_process_may_use():
    assert 1 <= Cores().count <= 1024
