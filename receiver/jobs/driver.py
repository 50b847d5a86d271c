"""pgqueuer's way to PostgreSQL, made patient: what fails for want of a connection is asked again until it answers."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Self, TypeVar

import asyncpg
from pgqueuer.adapters.drivers.asyncpg import AsyncpgPoolDriver, Relay

from receiver import logs

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from pgqueuer.ports.driver import NotifyCallback

AWAY = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.InternalClientError,
)
"""What the driver raises while the database is stopped, starting, failing over, or out of connections.

Its internal error ("cannot switch to state") is how it ends a connection that is lost while the pool takes it back.
"""

_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 5.0
_POOL_CONNECTIONS = 4
_COMMAND_TIMEOUT_S = 30.0
_log = logs.get("jobs")
T = TypeVar("T")


async def _leave_as_it_is(_: object) -> None:
    """Ask the server to undo nothing: single statements leave no state, and its answer is a round trip after each."""


class PatientDriver(AsyncpgPoolDriver):
    """An async context manager. After `stop` it is patient no more, so that a process can end while PostgreSQL is away.

    A statement whose answer was lost may have been carried out: the engine's statements bear that (a job claimed
    unheard is handed out again when its heartbeat grows old).
    """

    def __init__(self, url: str, stop: asyncio.Event) -> None:
        self._url = url
        self._stop = stop
        self._callbacks: dict[str, NotifyCallback] = {}
        self._listening: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Open the pool on the first entry; pgqueuer enters the driver again inside."""
        if not hasattr(self, "_pool"):
            super().__init__(
                asyncpg.create_pool(
                    self._url,
                    min_size=0,
                    max_size=_POOL_CONNECTIONS,
                    timeout=5,
                    command_timeout=_COMMAND_TIMEOUT_S,
                    reset=_leave_as_it_is,
                )
            )
            await self._pool
        self._entered += 1
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the pool on the last exit."""
        self._entered -= 1
        if self._entered:
            return
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)
        self._pool.terminate()

    async def fetch(self, query: str, *args: object) -> list[dict[str, object]]:
        """Run a query, however long the database is away."""
        return await self._patiently(lambda: super(PatientDriver, self).fetch(query, *args))

    async def execute(self, query: str, *args: object) -> str:
        """Run a statement, however long the database is away."""
        return await self._patiently(lambda: super(PatientDriver, self).execute(query, *args))

    async def notify(self, channel: str, payload: str) -> None:
        """Notify, however long the database is away."""
        await self._patiently(lambda: super(PatientDriver, self).notify(channel, payload))

    async def add_listener(self, channel: str, callback: NotifyCallback) -> None:
        """Listen from now on, on a new connection whenever the old one is lost."""
        self._callbacks[channel] = callback
        if self._listening is None:
            self._listening = asyncio.create_task(self._keep_listening(), name="listen")

    async def _keep_listening(self) -> None:
        while True:
            with contextlib.suppress(*AWAY):
                async with self._pool.acquire() as connection:
                    lost = asyncio.Event()
                    connection.add_termination_listener(lambda _, lost=lost: lost.set())
                    for channel, callback in self._callbacks.items():
                        await connection.add_listener(channel, Relay(callback))
                    await lost.wait()
            await asyncio.sleep(_FIRST_PAUSE_S)

    async def _patiently(self, ask: Callable[[], Awaitable[T]]) -> T:
        pause_s = _FIRST_PAUSE_S
        while True:
            try:
                return await ask()
            except AWAY as e:
                if self._stop.is_set():
                    raise
                if pause_s == _FIRST_PAUSE_S:
                    _log.warning("engine_waits_for_database", error=type(e).__name__)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stop.wait(), pause_s)
                pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
