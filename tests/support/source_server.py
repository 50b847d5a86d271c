"""A download host on loopback that does exactly what a test scripts, down to the byte where it hangs up."""

from __future__ import annotations

import asyncio
import hashlib
import random
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Self

from multidict import CIMultiDict

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator

MIB = 1024 * 1024
MP4_HEAD = b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41"
_CHUNK = 64 * 1024


class Content:
    """A file that is computed, not held: an MP4's head, then blocks that are all different."""

    def __init__(self, size: int, *, head: bytes = MP4_HEAD, seed: int = 1) -> None:
        self.size = size
        self._head = head[:size]
        self._block = random.Random(seed).randbytes(_CHUNK - 8)  # noqa: S311  # the same bytes every time

    def chunks(self, first: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Yield bytes `first` to `end`."""
        end = self.size if end is None else end
        while first < end:
            index, within = divmod(first, _CHUNK)
            chunk = (index.to_bytes(8, "big") + self._block)[within : within + end - first]
            if first < len(self._head):
                chunk = self._head[first:end] + chunk[len(self._head) - first :]
            yield chunk
            first += len(chunk)

    @cached_property
    def sha256(self) -> str:
        digest = hashlib.sha256()
        for chunk in self.chunks():
            digest.update(chunk)
        return digest.hexdigest()


class Fixed(Content):
    """A file of given bytes."""

    def __init__(self, data: bytes) -> None:
        super().__init__(0)
        self.size = len(data)
        self._data = data

    def chunks(self, first: int = 0, end: int | None = None) -> Iterator[bytes]:
        yield self._data[first : self.size if end is None else end]


@dataclass
class Answer:
    """`headers` go out as they are. After `cut_after` body bytes the connection is reset, or ended if `gently`.

    After `stall_after` nothing more comes; if `silent`, nothing comes at all. With `drip_s`, only a kilobyte of each
    chunk comes, and then so long nothing.
    """

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: Iterator[bytes] = field(default_factory=lambda: iter(()))
    cut_after: int | None = None
    gently: bool = False
    stall_after: int | None = None
    drip_s: float = 0
    silent: bool = False


@dataclass
class Request:
    """`target` is the request line's, byte for byte."""

    method: str
    target: str
    headers: CIMultiDict[str]

    @property
    def first(self) -> int:
        """The first byte that was asked for."""
        return int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")[0])


def ranged(content: Content, request: Request, *, etag: str | None = '"v1"') -> Answer:
    """Answer as S3 does: 206 for a range, 412 where If-Match does not match."""
    if request.headers.get("If-Match", etag or "*") not in {etag, "*"}:
        return Answer(412)
    first, _, last = request.headers["Range"].removeprefix("bytes=").partition("-")
    end = int(last) + 1 if last else content.size
    if content.size == 0:
        return Answer(416, {"Content-Range": "bytes */0", "Content-Length": "0"})
    headers = {
        "Content-Range": f"bytes {first}-{end - 1}/{content.size}",
        "Content-Length": str(end - int(first)),
        "Content-Type": "video/mp4",
    }
    return Answer(206, headers | ({"ETag": etag} if etag else {}), content.chunks(int(first), end))


def whole(content: Content) -> Answer:
    """Answer as a host that knows no ranges."""
    return Answer(200, {"Content-Length": str(content.size), "ETag": '"v1"'}, content.chunks())


class SourceServer:
    """`async with SourceServer(handler) as source:`; `requests` and `sent_bytes` tell what went on."""

    def __init__(
        self, handler: Callable[[Request], Answer], host: str = "127.0.0.1", tls: ssl.SSLContext | None = None
    ) -> None:
        self.handler = handler
        self._tls = tls
        self._host = host
        self.requests: list[Request] = []
        self.sent_bytes = 0
        self.connections = 0
        self.stalled = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, self._host, 0, limit=MIB, ssl=self._tls)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def url(self, target: str = "/videos/file?Signature=s3cr3t") -> str:
        return f"{'https' if self._tls else 'http'}://{self._host}:{self.port}{target}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            while await self._exchange(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, target, _ = lines[0].split(" ")
        headers = CIMultiDict(tuple(line.split(": ", 1)) for line in lines[1:] if line)
        request = Request(method, target, headers)
        self.requests.append(request)
        answer = self.handler(request)
        if answer.silent:
            await asyncio.Event().wait()
        head = [f"HTTP/1.1 {answer.status} Scripted", *(f"{k}: {v}" for k, v in answer.headers.items()), "", ""]
        writer.write("\r\n".join(head).encode("latin-1"))
        await self._send_body(writer, answer)
        if answer.cut_after is not None:
            if answer.gently:
                writer.write_eof()
                await reader.read()
            return False
        return "Content-Length" in answer.headers

    async def _send_body(self, writer: asyncio.StreamWriter, answer: Answer) -> None:
        sent = 0
        stop = min(n for n in (answer.cut_after, answer.stall_after, 1 << 60) if n is not None)
        await writer.drain()
        for chunk in answer.body:
            piece = chunk[: min(stop - sent, 1024 if answer.drip_s else stop)]
            writer.write(piece)
            await writer.drain()
            sent += len(piece)
            self.sent_bytes += len(piece)
            if sent == stop:
                break
            await asyncio.sleep(answer.drip_s)
        if answer.stall_after is not None:
            self.stalled.set()
            await asyncio.Event().wait()
        if answer.cut_after is not None:
            while writer.transport.get_write_buffer_size():  # a reset would overtake what was scripted to arrive
                await asyncio.sleep(0)
