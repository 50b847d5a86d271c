"""A proxy before the S3 server that spoils chosen requests and passes all others on, byte for byte."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@dataclass
class Rule:
    """Spoil the next `times` requests whose line matches `pattern`, in one way.

    `answer`: say this without reading the body or asking the store. `cut_after`: hang up after so many body bytes.
    `flip_bit`: change the body on its way. `lose_answer`: let the store do its work, then hang up.
    `stall_after`: stop reading the body.
    """

    pattern: str
    times: int = 1
    answer: bytes | None = None
    cut_after: int | None = None
    flip_bit: bool = False
    lose_answer: bool = False
    stall_after: int | None = None

    def __str__(self) -> str:
        how = [
            f"{f.name}={getattr(self, f.name)!r:.40}" for f in fields(self)[1:] if getattr(self, f.name) != f.default
        ]
        return " ".join([self.pattern, *how])


def s3_error(status: int, code: str, headers: str = "") -> bytes:
    """Build an S3 error answer."""
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>scripted</Message></Error>".encode()
    return f"HTTP/1.1 {status} X\r\n{headers}Content-Length: {len(body)}\r\n\r\n".encode() + body


class StoreProxy:
    """`async with StoreProxy(endpoint_url) as proxy:`; `lines` are the request lines that came.

    `begun` has the line of each request that brought a byte of a body.
    """

    def __init__(self, endpoint_url: str) -> None:
        upstream = urlsplit(endpoint_url)
        self._upstream = (upstream.hostname, upstream.port)
        self.rules: list[Rule] = []
        self.lines: list[str] = []
        self.begun: list[str] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.endpoint_url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._exchange(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        line = head.split(b"\r\n")[0].decode()
        self.lines.append(line)
        rule = self._rule(line)
        if rule.answer is not None:
            writer.write(rule.answer)
            await writer.drain()
            writer.write_eof()
            await reader.read()
            return
        up_reader, up_writer = await asyncio.open_connection(*self._upstream)
        try:
            up_writer.write(head.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
            length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
            answering = asyncio.create_task(_relay(up_reader, writer, keep=rule.lose_answer))
            begun = False
            async for chunk in _body(reader, int(length[1]) if length else 0, rule):
                if not begun:
                    self.begun.append(line)
                    begun = True
                up_writer.write(chunk)
                await up_writer.drain()
            if rule.cut_after is not None:
                answering.cancel()
                return
            await answering
        finally:
            up_writer.transport.abort()

    def _rule(self, line: str) -> Rule:
        for rule in self.rules:
            if rule.times and re.search(rule.pattern, line):
                rule.times -= 1
                return rule
        return Rule("")


async def _body(reader: asyncio.StreamReader, length: int, rule: Rule) -> AsyncIterator[bytes]:
    got = 0
    stop = min(length, *(n for n in (rule.cut_after, rule.stall_after) if n is not None), 1 << 60)
    while got < stop:
        chunk = await reader.read(min(65536, stop - got))
        if not chunk:
            raise ConnectionResetError
        if rule.flip_bit and not got:
            chunk = bytes([chunk[0] ^ 1]) + chunk[1:]
        got += len(chunk)
        yield chunk
    if rule.stall_after is not None:
        await asyncio.Event().wait()


async def _relay(up_reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, keep: bool) -> None:
    while chunk := await up_reader.read(65536):
        if not keep or chunk.startswith(b"HTTP/1.1 100"):
            writer.write(chunk)
            await writer.drain()
