"""The server's way to a socket, on which two writes can be made one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable


class JoiningTransport:
    """A transport as it is, but for how it is closed, and that a write can wait for the next.

    A write is a call of the system that wakes the client: a tenth of what a delivery cost (2026-11-28).
    """

    def __init__(self, transport: asyncio.BaseTransport, close: Callable[[], None]) -> None:
        self._transport: Any = transport
        self.close = close
        self._holds = False
        self._held = b""

    def hold_next(self) -> None:
        """Let the next write wait for the one after it."""
        self._holds = True

    def write(self, data: bytes) -> None:
        """Write what was held and this, unless this is to be held."""
        if self._holds:
            self._held, self._holds = data, False
            return
        if self._held:
            data, self._held = self._held + data, b""
        self._transport.write(data)

    def __getattr__(self, name: str) -> Any:
        """Give whatever else a transport has."""
        return getattr(self._transport, name)
