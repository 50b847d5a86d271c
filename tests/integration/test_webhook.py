"""The webhook's edge over real sockets: who may post, how much, and every answer."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import sqlalchemy as sa
from starlette.applications import Starlette

from receiver import metrics, problems, webhook
from receiver.app.http_server import RoomSize, Server, server_config
from receiver.app.process import listening
from receiver.catalogue import Catalogue
from receiver.inbox import Inbox
from receiver.jobs import MemoryJobs
from receiver.records import DeliveryId, DeliveryStatus
from receiver.tables import Database, deliveries
from tests.support.clock import now
from tests.support.databases import ON_SQLITE, refuse
from tests.support.payloads import example, payload

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

OLD, NEW = "old-secret-0123456789", "new-secret-0123456789"
PATH = f"{webhook.PATH}/{OLD}"
JSON = {"Content-Type": "application/json"}


@asynccontextmanager
async def serving(database: Database, **changes: Any) -> AsyncIterator[httpx.AsyncClient]:
    """Serve the webhook as `app` does, and yield a client of it."""
    parts: dict[str, Any] = {
        "inbox": Inbox(database, MemoryJobs(database, concurrency=1), keep_urls=False),
        "secrets": lambda: (OLD, NEW),
        "allowed_networks": (),
        "max_body_bytes": 10_000,
        "clock": now,
    }
    app = Starlette(
        routes=webhook.routes(webhook.WebhookParts(**(parts | changes))), exception_handlers=problems.handlers()
    )
    with listening("127.0.0.1", 0) as bound:
        server = Server(server_config(app, RoomSize(100, 100)))
        running = asyncio.create_task(server.serve(sockets=[bound]))
        port = bound.getsockname()[1]
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=JSON, timeout=60) as client:
            yield client
        server.end()
        await running


async def stored(database: Database) -> int:
    return await database.read(lambda tx: tx.execute(sa.select(sa.func.count()).select_from(deliveries)).scalar_one())


def counted(name: str, **labels: str) -> float:
    return metrics.registry.get_sample_value(name, labels) or 0


async def test_what_came_is_counted_and_timed(database: Database) -> None:
    answers = [("receiver_deliveries_total", {"outcome": status}) for status in ("202", "401")]
    series = [*answers, ("receiver_refused_posts_total", {}), ("receiver_intake_seconds_count", {})]
    before = [counted(name, **labels) for name, labels in series]
    async with serving(database) as client:
        await client.post(PATH, content=example())
        await client.post(f"{PATH}-not", content=example())
        assert counted("receiver_connections") >= 1
    after = [counted(name, **labels) for name, labels in series]
    assert [later - earlier for later, earlier in zip(after, before, strict=True)] == [1, 1, 1, 2]


async def test_accepted_then_the_same_again(database: Database) -> None:
    async with serving(database) as client:
        first = await client.post(PATH, content=example())
        again = await client.post(PATH, content=example())
    assert (first.status_code, again.status_code) == (202, 200)
    assert first.json() == again.json()
    assert first.json() == {
        "delivery_id": first.json()["delivery_id"],
        "recordings": [
            {"id": "64ba8abeea1de683a37139fd", "state": "pending"},
            {"id": "64ba8acdea1de683a37139fe", "state": "pending"},
        ],
        "rejected": [],
    }


async def test_a_bad_record_beside_a_good_one(database: Database) -> None:
    async with serving(database) as client:
        answer = await client.post(PATH, content=payload("good", "b/a/d"))
    assert answer.status_code == 202
    assert answer.json()["recordings"] == [{"id": "good", "state": "pending"}]
    assert answer.json()["rejected"] == [
        {"index": 1, "errors": ["callRecords[1]._id must be 1 to 64 of the characters A-Z a-z 0-9 _ -"]}
    ]


@pytest.mark.parametrize(
    ("path", "auth", "status"),
    [
        (f"{webhook.PATH}/{NEW}", None, 202),
        (webhook.PATH, ("", NEW), 202),
        (webhook.PATH, ("anybody", OLD), 202),
        (webhook.PATH, None, 401),
        (webhook.PATH, (OLD, ""), 401),
        (f"{webhook.PATH}/{OLD}x", None, 401),
        (f"{webhook.PATH}/{OLD[:-1]}", None, 401),
        (f"{webhook.PATH}/%00%ff", None, 401),
        (f"{webhook.PATH}/wrong", ("", NEW), 401),
    ],
)
async def test_who_is_let_in(database: Database, path: str, auth: tuple[str, str] | None, status: int) -> None:
    async with serving(database) as client:
        answer = await client.post(path, content=payload("a"), auth=auth or httpx.USE_CLIENT_DEFAULT)
    assert answer.status_code == status
    assert await stored(database) == (1 if status == 202 else 0)


@pytest.mark.parametrize("header", ["Basic", "Basic !!!", "Basic /w==", "Bearer x", "\xff"])
async def test_nonsense_in_authorization_is_401_like_any_wrong_secret(database: Database, header: str) -> None:
    async with serving(database) as client:
        wrong = await client.post(webhook.PATH, content=b"{}", auth=("", "wrong"))
        answer = await client.post(webhook.PATH, content=b"{}", headers={"Authorization": header.encode("latin-1")})
    assert (answer.status_code, answer.json()) == (401, wrong.json())
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(("network", "status"), [("127.0.0.0/8", 202), ("203.0.113.0/24", 401)])
async def test_only_allowed_networks_may_post(database: Database, network: str, status: int) -> None:
    async with serving(database, allowed_networks=(ip_network(network),)) as client:
        assert (await client.post(PATH, content=payload("a"))).status_code == status


@pytest.mark.parametrize(
    ("body", "headers", "status", "detail"),
    [
        (b"{", JSON, 400, "the body is not JSON: Expecting property name"),
        (b"{}", JSON, 422, "meeting: field required; callRecords: field required. The delivery is kept as "),
        (b"{}", {"Content-Type": "text/plain"}, 422, "meeting: field required; callRecords: field required. "),
        (b"{}", {"Content-Encoding": "gzip"}, 415, "send the payload without Content-Encoding"),
        (b" " * 10_001, JSON, 413, "at most 10000 bytes are taken (RECEIVER_MAX_BODY_BYTES)"),
    ],
)
async def test_refusals_say_what_and_why(
    database: Database, body: bytes, headers: dict[str, str], status: int, detail: str
) -> None:
    async with serving(database) as client:
        answer = await client.post(PATH, content=body, headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert answer.json()["detail"].startswith(detail)
    assert OLD not in answer.text
    assert await stored(database) == (1 if status in (400, 422) else 0)


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "Application/JSON; charset=utf-8"},
        {"Content-Type": "application/cloudevents+json"},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/octet-stream"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "nonsense"},
        {"Content-Encoding": "identity"},
        {"Content-Encoding": "UTF-8"},
        {"Content-Encoding": ""},
        {},
    ],
    ids=str,
)
async def test_the_body_decides_and_not_what_it_is_called(database: Database, headers: dict[str, str]) -> None:
    async with serving(database) as client:
        del client.headers["Content-Type"]
        assert (await client.post(PATH, content=payload("a"), headers=headers)).status_code == 202


async def test_what_cannot_be_read_is_kept_with_the_reason(database: Database) -> None:
    async with serving(database) as client:
        answer = await client.post(PATH, content=b"<html>\xe9")
        again = await client.post(PATH, content=b"<html>\xe9")
    delivery = await Catalogue(database).delivery(DeliveryId(answer.json()["delivery_id"]))
    assert (delivery.status, delivery.body) == (DeliveryStatus.REJECTED, b"<html>\xe9")
    assert delivery.reason == "the body is not JSON: Expecting value: line 1 column 1 (char 0)"
    assert again.json() == answer.json()


async def test_a_delivery_that_the_database_refuses_is_kept_and_no_outage(database: Database) -> None:
    await refuse(database, "r3")
    async with serving(database) as client:
        answer = await client.post(PATH, content=payload("r3"))
        other = await client.post(PATH, content=payload("r4"))
    assert (answer.status_code, other.status_code) == (422, 202)
    delivery = await Catalogue(database).delivery(DeliveryId(answer.json()["delivery_id"]))
    assert (delivery.status, delivery.recording_ids) == (DeliveryStatus.REJECTED, ())
    assert delivery.reason is not None
    assert delivery.reason.startswith("the database refuses what it says (IntegrityError")


@pytest.mark.parametrize("path", [f"{PATH}/", f"{webhook.PATH}/"])
async def test_a_slash_at_the_end_is_no_mistake(database: Database, path: str) -> None:
    async with serving(database) as client:
        answer = await client.post(path, content=payload("a"), auth=("", OLD))
    assert answer.status_code == 202


async def test_a_body_of_unknown_length_is_cut_off_at_the_bound(database: Database) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b" " * 1000

    async with serving(database) as client:
        assert (await client.post(PATH, content=endless())).status_code == 413


async def test_a_body_that_does_not_come_is_given_up(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "_BODY_DEADLINE_S", 0.05)
    async with serving(database) as client:
        answer = await _raw(client, b"Content-Length: 500\r\n\r\n{")
    assert b" 408 " in answer.splitlines()[0]
    assert await stored(database) == 0


async def test_a_client_that_leaves_in_the_body_leaves_nothing(database: Database) -> None:
    async with serving(database) as client:
        url = client.base_url
        _reader, writer = await asyncio.open_connection(url.host, url.port)
        writer.write(f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\n{{".encode())
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        assert (await client.post(PATH, content=payload("a"))).status_code == 202
    assert await stored(database) == 1


async def _raw(client: httpx.AsyncClient, rest: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(client.base_url.host, client.base_url.port)
    writer.write(f"POST {PATH} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n".encode() + rest)
    answer = await reader.read()
    writer.close()
    return answer


@ON_SQLITE  # its file is moved away; tests/fault/test_workers.py stops PostgreSQL under a whole service
async def test_a_database_that_is_down_is_503_with_retry_after_and_heals_by_itself(
    database: Database, tmp_path
) -> None:
    away = tmp_path / "away"
    async with serving(database) as client:
        database.engine.dispose()
        (tmp_path / "receiver.db").rename(away)
        (tmp_path / "receiver.db").mkdir()
        down = await client.post(PATH, content=example())
        assert (down.status_code, down.headers["retry-after"]) == (503, "5")
        (tmp_path / "receiver.db").rmdir()
        away.rename(tmp_path / "receiver.db")
        assert (await client.post(PATH, content=example())).status_code == 202
    assert await stored(database) == 1


async def test_every_recording_of_a_delivery_at_the_size_bound_is_taken(database: Database) -> None:
    body = payload(*(f"r{n}" for n in range(3000)))
    async with serving(database, max_body_bytes=len(body)) as client:
        answer = await client.post(PATH, content=body, timeout=60)
    assert answer.status_code == 202
    assert len(answer.json()["recordings"]) == 3000
    assert json.loads(answer.text)["rejected"] == []
