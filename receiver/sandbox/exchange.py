"""One request to the emulated storage, and the ways to answer it."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus

from starlette.requests import Request
from starlette.types import Send

from receiver.sandbox.connection import Connection
from receiver.sandbox.files import SandboxFile
from receiver.sandbox.journal import Entry


@dataclass(frozen=True)
class Exchange:
    """One request to the storage, its connection, and the ways to answer on it."""

    request: Request
    connection: Connection
    entry: Entry
    send: Send

    async def start(self, status: int, headers: Mapping[str, str]) -> None:
        raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]
        await self.send({"type": "http.response.start", "status": status, "headers": raw})

    async def part(self, data: bytes) -> None:
        await self.send({"type": "http.response.body", "body": data, "more_body": True})

    async def end(self) -> None:
        await self.send({"type": "http.response.body", "body": b"", "more_body": False})

    async def answer(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        await self.start(status, {**headers, "Content-Length": str(len(body))})
        await self.part(body)
        await self.end()

    async def stream(self, file: SandboxFile, chunks: Iterable[bytes]) -> None:
        for chunk in chunks:
            if self.connection.gone:
                return
            file.bytes_sent += len(chunk)
            await self.part(chunk)
            await asyncio.sleep(0)  # a reader that keeps up would never let others have a turn

    async def raw_start(self, status: int, headers: Mapping[str, str]) -> None:
        """Past HTTP's own checks: for lengths that lie or are missing. The connection has to be closed after it."""
        self.entry.status = status
        lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        await self.connection.write("\r\n".join([*lines, "Connection: close", "", ""]).encode("latin-1"))

    async def raw_stream(self, file: SandboxFile, chunks: Iterable[bytes]) -> None:
        for chunk in chunks:
            if self.connection.gone:
                return
            file.bytes_sent += len(chunk)
            self.entry.bytes_sent += len(chunk)
            await self.connection.write(chunk)
            await asyncio.sleep(0)
