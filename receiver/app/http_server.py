"""The HTTP server: uvicorn, made to bear clients that send nothing, too little, too slowly, or what was refused.

uvicorn 0.54 waits for a request's head and body as long as the client likes, and at its cap answers 503 to everybody.
Here every wait has an end, and at the cap the connection that has owed the rest of a request longest makes room for the
new one, so that probes and webhooks always get in. A cap for each address would be no answer: behind a
proxy all have one.
"""

from __future__ import annotations

import asyncio
import errno
import gc
from collections import OrderedDict
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from receiver import logs, metrics
from receiver.app.joining_transport import JoiningTransport
from receiver.webhook import ADMITTED

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

    from starlette.applications import Starlette
    from starlette.types import Message, Receive, Scope, Send

_CLOSE = (b"connection", b"close")
_LINGER_BYTES = 1024 * 1024
MOST_CONNECTIONS = 1024
_LEAST_CONNECTIONS = 64
_MOST_BACKLOG = 1024
_FIRST_REQUEST_S = 0.5
"""Its client connected before the end was known, and would take a connection that is closed for an answer of none."""
_QUIET_S = 10.0
"""So long a log line about dropped or refused connections stands for all that follow it."""
_FULL = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_log = logs.get("http")


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadlines:
    """How long a client may take: for a head, for the body behind it, and to read the next bytes of an answer.

    `linger_s`: a body that was refused is read and dropped for so long, or the client might never see the answer: a
    connection that is closed with bytes unread is reset, and a reset drops what the other side has not read yet
    (RFC 9112, 9.6).
    """

    head_s: float = 10.0
    body_s: float = 35.0
    answer_s: float = 30.0
    linger_s: float = 1.0


@dataclass(frozen=True, slots=True)
class RoomSize:
    """How many connections are held, and how many may wait to be accepted: asyncio takes all of those in one go."""

    connections: int
    backlog: int

    @classmethod
    def within(cls, descriptors: int, *, beside: int) -> RoomSize:
        """Share out what the process may have open, of which `beside` are for other things than clients."""
        backlog = min(_MOST_BACKLOG, descriptors // 8)
        return cls(max(_LEAST_CONNECTIONS, min(MOST_CONNECTIONS, descriptors - beside - backlog)), backlog)


class Room:
    """The connections of a process: at most `most`. `owing` are those that still owe a request, oldest debt first."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._open: set[GuardedProtocol] = set()
        self._owing: OrderedDict[GuardedProtocol, None] = OrderedDict()
        self._dropped = 0
        self._quiet_until = 0.0
        metrics.connections.set_function(lambda: len(self._open))

    def enter(self, connection: GuardedProtocol) -> bool:
        """Let a connection in, another out where the room is full; False where all others are being answered."""
        self._open.add(connection)
        if len(self._open) > self._most:
            out, _ = self._owing.popitem(last=False) if self._owing else (connection, None)
            self._drop(out)
            if out is connection:
                return False
        self._owing[connection] = None
        return True

    def owes(self, connection: GuardedProtocol) -> None:
        """Say that the connection is to send a request; a debt that is older stays as old."""
        if connection in self._open:
            self._owing.setdefault(connection)

    def owes_nothing(self, connection: GuardedProtocol) -> None:
        """Say that its request is complete, or that its sender proved who it is: it is never dropped for another."""
        self._owing.pop(connection, None)

    def is_refused(self, connection: GuardedProtocol) -> None:
        """Say that its request was refused and what it still sends is of no use: it is dropped first."""
        if connection in self._open:
            self._owing[connection] = None
            self._owing.move_to_end(connection, last=False)

    def leave(self, connection: GuardedProtocol) -> None:
        self._open.discard(connection)
        self._owing.pop(connection, None)

    def _drop(self, connection: GuardedProtocol) -> None:
        self.leave(connection)
        connection.drop("room")
        self._dropped += 1
        now_s = asyncio.get_running_loop().time()
        if now_s >= self._quiet_until:
            _log.warning("connections_dropped", dropped=self._dropped, most=self._most)
            self._quiet_until, self._dropped = now_s + _QUIET_S, 0


class GuardedProtocol(H11Protocol):
    """One connection. `room` and `deadlines` are set by `server_config` on a subclass of the server's own."""

    room: Room
    deadlines: Deadlines

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._application: Any = self.app
        self.app = self._answer
        self._deadline: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None
        self._phase: object = None
        self._was_asked = False
        self._lingered_bytes: int | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._socket: Any = transport
        self._joined = JoiningTransport(transport, self.close_politely)
        super().connection_made(self._joined)  # type: ignore[arg-type]
        if self.room.enter(self):
            self._follow()

    def connection_lost(self, exc: Exception | None) -> None:
        self.room.leave(self)
        self._wait(None)
        self.resume_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._lingered_bytes is not None:
            self._lingered_bytes += len(data)
            if self._lingered_bytes > _LINGER_BYTES:
                self.drop("refused")
            return
        super().data_received(data)
        self._follow()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._follow()

    def shutdown(self) -> None:
        """Close once the request that runs is answered; one on its way over a new connection has a moment to come."""
        if not self._was_asked:
            self.loop.call_later(_FIRST_REQUEST_S, self._end)
        else:
            self._end()

    def _end(self) -> None:
        if not self._socket.is_closing():
            super().shutdown()

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._unread is None:
            self._unread = self.loop.call_later(self.deadlines.answer_s, self.drop, "answer")

    def resume_writing(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None
        super().resume_writing()

    def drop(self, waited_for: str) -> None:
        """End the connection without a word; what is waited for is a head, a body, an answer's reader, or room."""
        metrics.connections_dropped.labels(waited_for=waited_for).inc()
        self._socket.abort()

    def close_politely(self) -> None:
        """Close once what was written is sent; where the client has not ended its request, let it read that first."""
        if self.conn.their_state is not h11.SEND_BODY or self._socket.is_closing() or not self._socket.can_write_eof():
            self._socket.close()
        elif self._lingered_bytes is None:
            self._lingered_bytes = 0
            self._socket.write_eof()
            self._socket.resume_reading()
            self.room.is_refused(self)
            self._wait("linger", self.deadlines.linger_s)

    def _follow(self) -> None:
        """Give the request's head or body its deadline when it begins to be waited for."""
        if self._lingered_bytes is not None or self._socket.is_closing():
            return
        state = self.conn.their_state
        if state is self._phase:
            return
        self._phase = state
        if state is h11.IDLE:
            self.room.owes(self)
            self._wait("head", self.deadlines.head_s)
        elif state is h11.SEND_BODY:
            self._wait("body", self.deadlines.body_s)
        else:
            self.room.owes_nothing(self)
            self._wait(None)

    def _wait(self, what: str | None, seconds: float = 0.0) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = None if what is None else self.loop.call_later(seconds, self.drop, what)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application; an answer to a request that is still being sent closes the connection.

        The head of an answer of known length, whose body is at hand, leaves with it.
        """
        head: Message | None = None
        self._was_asked = True

        async def closing(message: Message) -> None:
            nonlocal head
            if message["type"] == "http.response.start":
                headers = message.get("headers", ())
                if self.conn.their_state is h11.SEND_BODY:
                    message = {**message, "headers": [*headers, _CLOSE]}
                if any(name == b"content-length" for name, _ in headers):
                    head = message
                    return
            elif head is not None:
                self._joined.hold_next()
                await send(head)
                head = None
            await send(message)

        extensions = {ADMITTED: lambda: self.room.owes_nothing(self)}
        await self._application({**scope, "extensions": extensions}, receive, closing)


class _AcceptFailures:
    """An event loop's exception handler: accepting that fails for want of descriptors is one line and not thousands.

    asyncio tries once for each place of the backlog (Python 3.11), and tells of every failure.
    """

    def __init__(self) -> None:
        self._quiet_until = 0.0

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if not isinstance(error, OSError) or error.errno not in _FULL or "socket" not in context:
            loop.default_exception_handler(context)
        elif loop.time() >= self._quiet_until:
            _log.error("connections_not_accepted", error=error.strerror)
            self._quiet_until = loop.time() + _QUIET_S


class Server(uvicorn.Server):
    """uvicorn without its signal handling: `serve` decides when the server ends, and the exit code is ours."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._ending = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start serving; what was made until now lives as long as the process, so the collector need not walk it."""
        gc.collect()
        gc.freeze()
        asyncio.get_running_loop().set_exception_handler(_AcceptFailures())
        await super().startup(sockets=sockets)

    async def main_loop(self) -> None:
        """Tick once a second, for the Date header, and not ten times: an idle process would wake for it."""
        while not await self.on_tick(0):
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ending.wait(), 1.0)

    def end(self) -> None:
        """Let `serve` close and return."""
        self.should_exit = True
        self._ending.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def server_config(
    app: Starlette, room: RoomSize, *, forwarded_allow_ips: str = "127.0.0.1", deadlines: Deadlines | None = None
) -> uvicorn.Config:
    """Configure the server of `app`; `forwarded_allow_ips` are the proxies whose word on addresses is believed."""
    bounds = {"room": Room(room.connections), "deadlines": deadlines or Deadlines()}
    return uvicorn.Config(
        app,
        http=type("BoundProtocol", (GuardedProtocol,), bounds),
        log_config=None,
        access_log=False,  # it would write the webhook's secret path
        lifespan="off",
        server_header=False,
        proxy_headers=True,
        forwarded_allow_ips=forwarded_allow_ips,
        backlog=room.backlog,
        timeout_graceful_shutdown=5,
    )
