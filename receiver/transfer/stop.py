"""How the event loop ends a step that blocks in a thread, and how such a step asks the loop for something."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import CancelledError as AskingCancelledError
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, TypeVar

from receiver.tasks import to_the_end
from receiver.threads import copying_threads, shut

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Coroutine

T = TypeVar("T")


class StoppedError(Exception):
    """The step was ended from outside; its outcome is not awaited any more."""


class Stop:
    """Belongs to one reader. `set` may be called from any thread, the rest by the thread that works."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._event = threading.Event()
        self._socket: socket.socket | None = None
        self._asking: Future[Any] | None = None

    @property
    def is_set(self) -> bool:
        return self._event.is_set()

    def set(self) -> None:
        """End what the thread waits for: a byte, an answer of the loop, or the end of a pause."""
        with self._lock:
            self._event.set()
            if self._asking is not None:
                self._asking.cancel()
            if self._socket is not None:
                shut(self._socket)

    def clear(self) -> None:
        """Let the reader work again."""
        with self._lock:
            self._socket = None
            self._event.clear()

    def watch(self, connected: socket.socket | None) -> None:
        """Name the socket that the thread is about to wait for, or none."""
        with self._lock:
            self._socket = connected
            self._raise_if_set()

    def pause(self, seconds: float) -> None:
        """Wait; raises `StoppedError`."""
        if self._event.wait(seconds):
            raise StoppedError

    def ask(self, question: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the event loop and return what it returns; raises `StoppedError`, or what it raises."""
        with self._lock:
            if self._event.is_set():
                question.close()
                raise StoppedError
            self._asking = asking = asyncio.run_coroutine_threadsafe(question, self._loop)
        try:
            return asking.result()
        except AskingCancelledError as e:
            raise StoppedError from e
        finally:
            with self._lock:
                self._asking = None

    def _raise_if_set(self) -> None:
        if self._event.is_set():
            raise StoppedError


class Threads:
    """Where steps block, so that the event loop does not."""

    def __init__(self, most: int) -> None:
        self._pool = copying_threads(most, "source")

    async def run(self, step: Callable[[], T], stop: Stop) -> T:
        """Return what `step` returns; cancelled, stop it and wait until its thread has let go."""
        return await to_the_end(asyncio.get_running_loop().run_in_executor(self._pool, step), stop.set)

    def close(self) -> None:
        """Take no more steps."""
        self._pool.shutdown(wait=False, cancel_futures=True)
