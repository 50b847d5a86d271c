"""The webhook as `receiver serve` composes it, in a process of its own for `tests.bench.intake`.

`python -m tests.bench.intake_app SOCKET_FD DATABASE_URL|none [SOURCE_URL]`: serve on an inherited socket until SIGTERM.
With a source, two transfers run all the while: the real copier reads it, and the parts are hashed and let go.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette

from receiver import logs, problems, webhook
from receiver.app.http_server import RoomSize, Server, server_config
from receiver.inbox import Inbox, new_delivery_id
from receiver.jobs import MemoryJobs
from receiver.records import Accepted, Parsed, State
from receiver.settings import Needs, load
from receiver.tables import Database, open_database
from tests.support.copying import run_of
from tests.support.memory_target import MemoryTarget, checksum_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from receiver.records import OpenUpload, UploadedPart

SECRET = "bench-secret-0123456789"


class NoDatabase:
    """The inbox whose database is left out: all that one delivery costs besides."""

    async def accept(self, _body: bytes, parsed: Parsed, *, now: datetime) -> Accepted:
        states = tuple((facts.id, State.PENDING) for facts in parsed.recordings)
        return Accepted(delivery_id=new_delivery_id(now), recordings=states, rejected=(), duplicate=False)


class Drain(MemoryTarget):
    """A target that keeps no object, so that a bench can copy for as long as it likes."""

    async def complete_upload(self, upload: OpenUpload, parts: Any, *, checksum: str) -> Any:
        head = await super().complete_upload(upload, parts, checksum=checksum)
        self.objects.clear()
        return head

    async def upload_part(
        self, upload: OpenUpload, number: int, chunks: AsyncIterator[bytes], *, size_bytes: int
    ) -> UploadedPart:
        part = await super().upload_part(upload, number, chunks, size_bytes=size_bytes)
        assert part.checksum == checksum_of(self.uploads[upload.upload_id].parts[number])
        return part


async def _transfer(url: str) -> None:
    while True:
        async with run_of(url) as run:
            await run.copy(Drain())


def _inbox(database: Database | None) -> Any:
    if database is None:
        return NoDatabase()
    return Inbox(database, MemoryJobs(database, concurrency=1), keep_urls=False)


async def main(fd: int, database_url: str, source_url: str | None) -> None:
    """Serve until SIGTERM."""
    logs.configure()
    settings = load(Needs.DATABASE, {"RECEIVER_WEBHOOK_SECRETS": SECRET}, None)
    logs.redact.remember([SECRET])
    database = None if database_url == "none" else open_database(database_url)
    parts = webhook.WebhookParts(
        inbox=_inbox(database),
        secrets=lambda: (SECRET,),
        allowed_networks=(),
        max_body_bytes=settings.max_body_bytes,
        clock=lambda: datetime.now(UTC),
    )
    app = Starlette(routes=webhook.routes(parts), exception_handlers=problems.handlers())
    server = Server(server_config(app, RoomSize(1024, 1024)))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, server.end)
    transfers = [asyncio.create_task(_transfer(source_url)) for _ in range(2)] if source_url else []
    await server.serve(sockets=[socket.socket(fileno=fd)])
    for task in transfers:
        task.cancel()
    await asyncio.gather(*transfers, return_exceptions=True)
    if database is not None:
        await database.close()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else None))
