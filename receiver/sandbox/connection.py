"""A listener whose application can reach the socket under a request, to cut, reset or hold it."""

import asyncio
import logging
import socket
import struct
from email.utils import formatdate
from typing import Any, cast

from starlette.types import ASGIApp
from uvicorn import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

LINGER_NONE = struct.pack("ii", 1, 0)  # closing sends RST
STOP_GRACE_S = 2.0


class Connection:
    """One client's connection, below HTTP."""

    def __init__(self, protocol: "SandboxProtocol") -> None:
        self._protocol = protocol
        self.lost = asyncio.Event()

    @property
    def gone(self) -> bool:
        """The client hung up, or we did; told by the transport before `lost` is set."""
        return self.lost.is_set() or self._protocol.transport.is_closing()

    async def write(self, data: bytes) -> None:
        if self._protocol.flow.write_paused and not self.gone:
            await self._protocol.flow.drain()
        if not self.gone:
            self._protocol.transport.write(data)

    async def close(self) -> None:
        """Sends what is written, then FIN."""
        self._protocol.transport.close()
        await self.lost.wait()

    async def reset(self) -> None:
        """Sends RST; what the kernel has not sent yet is lost."""
        handle = self._protocol.transport.get_extra_info("socket")
        handle.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NONE)
        self._protocol.transport.abort()
        await self.lost.wait()

    async def pause(self, seconds: float | None) -> bool:
        """Waits; False once the client has gone or the listener stops. None waits for just that."""
        try:
            await asyncio.wait_for(self.lost.wait(), seconds)
        except TimeoutError:
            return True
        return False


class SandboxProtocol(H11Protocol):
    """uvicorn's own, which hands each request its `Connection` in the scope's state and logs nowhere."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.logger = logging.getLogger("receiver.sandbox")
        self.access_log = False
        self._connection = Connection(self)
        self.app_state = {**app_state, "connection": self._connection}

    def data_received(self, data: bytes) -> None:
        self.server_state.default_headers = [(b"date", formatdate(usegmt=True).encode())]
        super().data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._connection.lost.set()
        super().connection_lost(exc)


class Listener:
    """Serves one application in the running loop: no signal handlers, and it stops at once."""

    def __init__(self, app: ASGIApp, host: str, port: int, public_host: str | None = None) -> None:
        self._app = app
        self._public_host = public_host or host
        self._host = host
        self._port = port
        self._state = ServerState()
        self._server: asyncio.Server | None = None
        self.origin = ""

    async def start(self) -> None:
        config = Config(cast("Any", self._app), log_config=None, lifespan="off", ws="none", timeout_keep_alive=75)
        config.load()
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: SandboxProtocol(config, self._state, {}, loop), self._host, self._port
        )
        port = self._server.sockets[0].getsockname()[1]
        name = f"[{self._public_host}]" if ":" in self._public_host else self._public_host
        self.origin = f"http://{name}:{port}"

    async def stop(self) -> None:
        if self._server is None:
            return
        self._server.close()
        for protocol in list(self._state.connections):
            if protocol.transport is not None:
                protocol.transport.abort()
        if self._state.tasks:
            _, late = await asyncio.wait(list(self._state.tasks), timeout=STOP_GRACE_S)
            for task in late:
                task.cancel()
        await self._server.wait_closed()
