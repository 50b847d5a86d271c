"""A proxy before the S3 server that spoils chosen requests and passes all others on, byte for byte."""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Literal, Self
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@dataclass
class Rule:
    """Spoil the next `times` requests whose line matches `pattern`, in one way.

    `answer`: say this, after `answer_after` body bytes, without asking the store (its head alone to a HEAD); `then`
    read what else comes, hang up, or hold the connection and read no more. `cut_after`: hang up after so many body
    bytes. `flip_bit`: change the body on its way. `lose_answer`: let the store do its work, then hang up.
    `stall_after`: stop reading the body. `together`: pass no answer on before so many are there. `hide`: put X's in
    this word's place in the answer.
    """

    pattern: str
    times: int = 1
    answer: bytes | None = None
    answer_after: int = 0
    then: Literal["read", "hang up", "hold"] = "read"
    cut_after: int | None = None
    flip_bit: bool = False
    lose_answer: bool = False
    stall_after: int | None = None
    together: asyncio.Barrier | None = None
    hide: bytes = b""

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
    """`async with StoreProxy(endpoint_url) as proxy:`; `lines` are the request lines that came, `heads` all of it.

    `begun` has the line of each request that brought a byte of a body. With `tls` the proxy speaks TLS; the server
    behind it does not.
    """

    def __init__(self, endpoint_url: str, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        upstream = urlsplit(endpoint_url)
        self._upstream = (upstream.hostname, upstream.port)
        self.rules: list[Rule] = []
        self.heads: list[bytes] = []
        self.lines: list[str] = []
        self.begun: list[str] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        self.port: int = self._server.sockets[0].getsockname()[1]
        self.endpoint_url = f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"
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
        self.heads.append(head)
        self.lines.append(line)
        rule = self._rule(line)
        if rule.answer is not None:
            answer = rule.answer.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" if line.startswith("HEAD ") else rule.answer
            await _refuse(reader, writer, rule, answer)
            return
        up_reader, up_writer = await asyncio.open_connection(*self._upstream)
        try:
            up_writer.write(head.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
            length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
            answering = asyncio.create_task(_relay(up_reader, writer, rule))
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


async def _refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, rule: Rule, answer: bytes) -> None:
    await reader.readexactly(rule.answer_after)
    writer.write(answer)
    await writer.drain()
    if rule.then == "hold":
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)  # or it takes 32 MB more
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        await asyncio.Event().wait()
    if rule.then == "read":
        if writer.can_write_eof():  # not with TLS
            writer.write_eof()
        await reader.read()
    writer.close()  # what was not read makes it a reset, after the answer


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


async def _relay(up_reader: asyncio.StreamReader, writer: asyncio.StreamWriter, rule: Rule) -> None:
    answered = False
    while chunk := await up_reader.read(65536):
        if rule.together is not None and not answered:
            await rule.together.wait()
        answered = True
        if rule.hide:
            chunk = chunk.replace(rule.hide, b"X" * len(rule.hide))
        if not rule.lose_answer or chunk.startswith(b"HTTP/1.1 100"):
            writer.write(chunk)
            await writer.drain()
