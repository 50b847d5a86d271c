"""The HTTP session that moves many bytes: botocore signs and reads answers, a blocking session sends and receives.

Blocking reads and writes of large buffers in a thread cost half of what the event loop's streams do, and leave the loop
to the intake (decision 004).
"""

from __future__ import annotations

import asyncio
from http.client import HTTPResponse
from typing import TYPE_CHECKING, Any, Protocol, Self

from aiobotocore.awsrequest import AioAWSResponse
from botocore.awsrequest import (
    AWSHTTPConnection,
    AWSHTTPConnectionPool,
    AWSHTTPSConnection,
    AWSHTTPSConnectionPool,
    AWSPreparedRequest,
)
from botocore.httpsession import URLLib3Session
from urllib3.util import wait_for_read

from receiver.objectstore.body import RelayBody
from receiver.threads import copying_threads

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping
    from concurrent.futures import Executor

    from urllib3 import HTTPResponse as PooledResponse

_RECEIVED_BYTES = 512 * 1024


class Digest(Protocol):
    """What `hashlib` makes."""

    def update(self, chunk: memoryview, /) -> None:
        """Digest the bytes that come next."""
        ...

    def hexdigest(self) -> str:
        """Return the digest of all bytes so far."""
        ...


class RelaySession:
    """An aiobotocore HTTP session (`AioConfig.http_session_cls`) whose requests may have a `RelayBody`."""

    def __init__(
        self, *, max_pool_connections: int, connector_args: Mapping[str, Any] | None = None, **options: Any
    ) -> None:
        del connector_args  # of aiohttp
        self._http = URLLib3Session(max_pool_connections=max_pool_connections, **options)
        pools: dict[str, Any] = self._http._pool_classes_by_scheme  # type: ignore[attr-defined]  # noqa: SLF001  (the one hook)
        pools |= {"http": _Pool, "https": _TlsPool}
        self._threads = copying_threads(max_pool_connections, "store")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close idle connections and take no more requests."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._http.close()

    async def send(self, request: AWSPreparedRequest) -> AioAWSResponse:
        """Send the request in a thread; cancelled, end its connection and leave the thread to find out."""
        body: Any = request.body
        sending = asyncio.get_running_loop().run_in_executor(self._threads, self._send, request, body)
        try:
            return await asyncio.shield(sending)
        except asyncio.CancelledError:
            if isinstance(body, RelayBody):
                body.interrupt()
            sending.add_done_callback(_abandoned)
            raise

    def _send(self, request: AWSPreparedRequest, body: Any) -> AioAWSResponse:
        try:
            answer = self._http.send(request)
        finally:
            if isinstance(body, RelayBody):
                body.done()
        headers: Any = {name.lower(): value for name, value in answer.headers.items()}
        if request.stream_output and answer.status_code < 300:
            return AioAWSResponse(answer.url, answer.status_code, headers, ReceivedBody(answer.raw, self._threads))
        return AioAWSResponse(answer.url, answer.status_code, headers, _Read(answer.content))


def _abandoned(sending: asyncio.Future[AioAWSResponse]) -> None:
    """End the connection of an answer that came when nobody waited for it any more: its body is on the way."""
    if not (sending.cancelled() or sending.exception()) and isinstance(body := sending.result().raw, ReceivedBody):
        body.close()


class _Read:
    """A body that has been read already, as aiobotocore asks for one."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    async def read(self) -> bytes:
        return self._content


class ReceivedBody:
    """The body of an answer, received and digested in the session's threads, piece by piece in one buffer."""

    def __init__(self, answer: PooledResponse, threads: Executor) -> None:
        self._answer = answer
        self._body: HTTPResponse = answer._original_response  # type: ignore[assignment]  # noqa: SLF001  (which copies nothing)
        self._threads = threads
        self._buffer = memoryview(bytearray(_RECEIVED_BYTES))

    async def feed(self, digest: Digest, most_bytes: int) -> int:
        """Digest as many bytes as come, `most_bytes` at most, and return how many; 0 at the end, and where it is cut.

        Raises `OSError` and `http.client.HTTPException`. Cancelled, it ends the connection under its thread.
        """
        receiving = asyncio.get_running_loop().run_in_executor(self._threads, self._feed, digest, most_bytes)
        try:
            return await asyncio.shield(receiving)
        except asyncio.CancelledError:
            self._answer.shutdown()
            receiving.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
            raise

    def _feed(self, digest: Digest, most_bytes: int) -> int:
        fed = 0
        while fed < most_bytes and (count := self._body.readinto(self._buffer[: most_bytes - fed])):
            digest.update(self._buffer[:count])
            fed += count
        return fed

    def close(self) -> None:
        """Keep the connection for another request where the whole body came, else end it."""
        if self._body.isclosed():
            self._answer.release_conn()
        else:
            self._answer.close()


class _Relaying:
    """Hands the body to the HTTP library as an iterator, which it sends chunk by chunk without a copy.

    A store that refuses a part may answer, and take no more of it, while it is being sent. The answer is read then, and
    the connection is not used again.
    """

    sock: socket.socket
    response_class: type[HTTPResponse]

    def request(self, method: str, url: str, body: Any = None, *args: Any, **options: Any) -> None:
        relayed = body if isinstance(body, RelayBody) else None
        if relayed is not None:
            body = relayed.sent_over(self)  # type: ignore[arg-type]  # the class it is mixed into is a connection
        try:
            super().request(method, url, body, *args, **options)  # type: ignore[misc]
        finally:
            if relayed is not None and relayed.left:
                self.response_class = _LastResponse

    def send(self, data: Any) -> None:
        try:
            super().send(data)  # type: ignore[misc]
        except OSError as e:
            if wait_for_read(self.sock, 0):
                raise BrokenPipeError from e  # upon which urllib3 reads the answer
            raise


class _LastResponse(HTTPResponse):
    def begin(self) -> None:
        super().begin()
        self.will_close = True


class _Connection(_Relaying, AWSHTTPConnection):  # type: ignore[misc]
    pass


class _TlsConnection(_Relaying, AWSHTTPSConnection):  # type: ignore[misc]
    pass


class _Pool(AWSHTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(AWSHTTPSConnectionPool):
    ConnectionCls = _TlsConnection
