"""Who may move bytes now: no more copies at once than there are cores to do it.

Threads beyond that move nothing sooner. They meet at the interpreter's lock, where the thread that answers deliveries
waits behind them. Beside eight copies on two cores a delivery took 20 to 25 ms (median) and 59 to 70 (p99); so it
takes 7 and 16 to 37.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import deque

TURN_S = 0.02
"""Some chunks: to hand over after each costs a tenth of the speed."""
SLOW_S = 0.05
"""A chunk that takes longer waits for a network and not for a core, so its copy needs no turn."""
LONGEST_WAIT_S = 0.25
"""After that a copy goes on without: those before it may have come to wait for their networks."""


class Cores:
    """The cores of this machine, as all copies of a process share them; `take` and `give_back` are of their threads."""

    def __init__(self, count: int | None = None) -> None:
        self.count = count or _usable()
        self.copies = 0
        """Large copies under way; the event loop counts them."""
        self._lock = threading.Lock()
        self._free = self.count
        self._waiting: deque[threading.Lock] = deque()

    @property
    def are_spare(self) -> bool:
        """Tell whether each copy may keep two threads busy: a single one always may."""
        return self.copies <= max(1, self.count // 2)

    @property
    def are_awaited(self) -> bool:
        """Tell whether some copy waits for one."""
        return bool(self._waiting)

    def take(self) -> bool:
        """Wait for a core, first come, first served; False where none came in time."""
        with self._lock:
            if self._free:
                self._free -= 1
                return True
            mine = threading.Lock()
            mine.acquire()
            self._waiting.append(mine)
        if mine.acquire(timeout=LONGEST_WAIT_S):
            return True
        with self._lock:
            if mine not in self._waiting:  # it was handed over just now
                return True
            self._waiting.remove(mine)
            return False

    def give_back(self) -> None:
        """Hand a core to the copy that has waited longest."""
        with self._lock:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._free += 1


class CoreTurn:
    """The turns of one run of chunks, each moved by one thread from its first byte read to its last byte sent."""

    def __init__(self, cores: Cores) -> None:
        self._cores = cores
        self._held = False
        self._since_s = 0.0
        self._began_s = 0.0

    def begin(self) -> None:
        """Say that a chunk is about to be moved, and the one before, if there was one, has been; may wait."""
        now_s = time.monotonic()
        is_slow = 0 < self._began_s < now_s - SLOW_S
        if is_slow or (now_s - self._since_s > TURN_S and self._cores.are_awaited):
            self.end()
        if not self._held and not is_slow:
            self._held = self._cores.take()
            self._since_s = now_s = time.monotonic()
        self._began_s = now_s

    def end(self) -> None:
        """Say that no chunk is moved any more; safe to repeat."""
        held, self._held = self._held, False
        if held:
            self._cores.give_back()


def _usable() -> int:
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
