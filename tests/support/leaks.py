"""What may leave the service nowhere, and every place to look for it (P9, I8)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import asyncpg

from tests.support.service import OPS_TOKEN, WEBHOOK_SECRET, control

if TYPE_CHECKING:
    from receiver.sandbox import Sandbox
    from tests.support.service import Service

_SIGNATURES = ("Signature", "X-Amz-Signature")


def signatures(payload: dict[str, Any]) -> list[str]:
    """Return the signatures of a payload's URLs."""
    return [
        value
        for record in payload["callRecords"]
        for name, value in parse_qsl(urlsplit(record["download_url"]).query)
        if name in _SIGNATURES
    ]


async def fetched_signatures(sandbox: Sandbox) -> list[str]:
    """Return the signatures of the URLs that the service really fetched."""
    requests = await control(sandbox, "GET", "/requests")
    queries = [parse_qsl(request["query"]) for request in requests if request["side"] == "storage"]
    return [value for query in queries for name, value in query if name in _SIGNATURES]


async def secrets_of(service: Service) -> list[str]:
    """Return the secrets that the service was told, and those that it learned from the platform."""
    config = service.sandbox.config if service.sandbox else None
    named = [config.admin_key, config.auth_key, config.auth_secret, config.user_password] if config else []
    learned = await fetched_signatures(service.sandbox) if service.sandbox else []
    return [WEBHOOK_SECRET, OPS_TOKEN, service.seaweed.secret_key, *named, *learned]


async def places_of(service: Service) -> dict[str, bytes]:
    """Return all that the service wrote, and what it answers while it runs."""
    places = {path.name: path.read_bytes() for path in service.folder.glob("*.log")}
    places["database"] = await database_bytes(service)
    if service.is_running:
        async with service.client() as client:
            for path in ("/metrics", "/api/recordings?limit=1000", "/api/deliveries", "/api/stats"):
                places[path] = (await client.get(path)).content
    return places


async def database_bytes(service: Service) -> bytes:
    """Return the files of SQLite; of PostgreSQL, whose files are all tests' own, every value of every table."""
    if service.database_url.startswith("sqlite"):
        return b"".join(path.read_bytes() for path in sorted(service.folder.glob("receiver.db*")))
    connection = await asyncpg.connect(service.database_url)
    try:
        tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        rows = [row for table in tables for row in await connection.fetch(f'SELECT * FROM "{table["tablename"]}"')]  # noqa: S608
    finally:
        await connection.close()
    values = [value for row in rows for value in row.values()]
    return b"\n".join(value if isinstance(value, bytes) else str(value).encode() for value in values)


def found(place: bytes, secrets: list[str]) -> list[str]:
    """Return the secrets that stand in a place."""
    return [secret for secret in secrets if secret.encode() in place]
