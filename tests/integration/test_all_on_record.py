"""Every route and command that shows, fetches or changes something of a recording leaves its entry in the log.

The route table and the command tree are walked: one that is in none of the lists here fails the test.
"""

from __future__ import annotations

import asyncio
import os
import pwd
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from starlette.routing import Mount, Route

from receiver import webhook
from receiver.catalogue import Catalogue, Interventions, audit_log
from receiver.cli.commands import root
from receiver.cli.lazy import LazyGroup
from receiver.records import ABOUT, State
from receiver.tables import audit_log as entries
from receiver.tables import holds
from tests.support.api import bearer
from tests.support.databases import ON_SQLITE
from tests.support.intake import replay_of
from tests.support.operators import ADMIN, ARCHIVED, NOW, OPERATOR, Outside, add, add_delivery, row
from tests.support.page import browser_of, post, sign_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    import click
    import httpx

    from receiver.tables import Database

USER = f"cli:{pwd.getpwuid(os.getuid()).pw_name}"
BODY = b'{"meeting": {"_id": "m1"}, "callRecords": [{"_id": "r1"}]}'
_INDEX = (
    "rows of the index, which every role may browse; neither the file nor a body, and pages load anew by themselves"
)
_RECORD = "the record itself"
_HOLDS = "the holds that stand, which every role may see"
_DELIVERY = "the delivery and the rows say what came, and when"
_NO_RECORDING = "tells nothing of a recording"

ROUTES = {
    ("GET", "/api/recordings/{id}/download"): ("r1", "url_issued"),
    ("POST", "/api/recordings/{id}/retry"): ("failed", "retried"),
    ("POST", "/api/recordings/{id}/cancel"): ("pending", "cancelled"),
    ("POST", "/api/recordings/{id}/hold"): ("r1", "held"),
    ("POST", "/api/recordings/{id}/release"): ("r1", "released"),
    ("POST", "/api/holds"): ("hold:2", "held"),
    ("DELETE", "/api/holds/{id}"): ("hold:1", "released"),
    ("GET", "/api/deliveries/{id}"): ("d1", "body_shown"),
    ("POST", "/api/deliveries/{id}/replay"): ("d1", "replayed"),
    ("GET", "/api/export"): ("recordings", "exported"),
    ("POST", "/api/recordings/retry"): ("failed", "retried"),
    ("GET", "/recordings/{id}/download"): ("r1", "url_issued"),
    ("POST", "/recordings/{id}/retry"): ("failed", "retried"),
    ("POST", "/recordings/{id}/cancel"): ("pending", "cancelled"),
    ("POST", "/recordings/{id}/hold"): ("r1", "held"),
    ("POST", "/recordings/{id}/release"): ("r1", "released"),
    ("POST", "/holds"): ("hold:2", "held"),
    ("POST", "/holds/{id}/release"): ("hold:1", "released"),
    ("DELETE", "/api/recordings/{id}"): ("r1", "erasure_began"),
    ("POST", "/recordings/{id}/erase"): ("r1", "erasure_began"),
    ("POST", "/failed/retry"): ("failed", "retried"),
    ("GET", "/deliveries/{id}"): ("d1", "body_shown"),
    ("POST", "/deliveries/{id}/replay"): ("d1", "replayed"),
}
"""Routes that act, each with the subject and the action of its one entry."""
_CASE = {"reason": "a case"}
ASKED = {
    "/api/export": {"params": {"format": "csv", "q": "zoe"}},
    "/api/recordings/retry": {"json": {"error_code": "x"}},
    "/api/recordings/{id}/hold": {"json": _CASE},
    "/api/recordings/{id}/release": {"json": _CASE},
    "/api/holds": {"json": {"scope": "meeting", "value": "m2"} | _CASE},
    "/api/holds/{id}": {"json": _CASE},
    "/api/recordings/{id}": {"json": _CASE},
    "/recordings/{id}/hold": {"fields": _CASE},
    "/recordings/{id}/release": {"fields": _CASE},
    "/recordings/{id}/erase": {"fields": {"confirmation": "r1"} | _CASE},
    "/holds": {"fields": {"scope": "meeting", "value": "m2"} | _CASE},
    "/holds/{id}/release": {"fields": _CASE},
    "/failed/retry": {"fields": {"error_code": "x"}},
}
"""What these are asked with."""
SILENT_ROUTES = {
    ("GET", "/api/recordings"): _INDEX,
    ("GET", "/api/recordings/{id}"): _INDEX,
    ("GET", "/api/recordings/{id}/history"): _RECORD,
    ("GET", "/api/audit-log"): _RECORD,
    ("GET", "/api/meetings/{id}"): _INDEX,
    ("GET", "/api/holds"): _HOLDS,
    ("GET", "/api/deliveries"): _INDEX,
    ("GET", "/openapi.json"): _NO_RECORDING,
    ("GET", "/api/stats"): _NO_RECORDING,
    ("GET", "/healthz"): _NO_RECORDING,
    ("GET", "/readyz"): _NO_RECORDING,
    ("GET", "/metrics"): _NO_RECORDING,
    ("GET", "/"): _INDEX,
    ("GET", "/recordings"): _INDEX,
    ("GET", "/recordings/{id}"): _INDEX,
    ("GET", "/recordings/{id}/erase"): "asks, and does nothing",
    ("GET", "/erasures"): "ids, counts and reasons, which the log has too",
    ("GET", "/erasures/{id}"): "ids, counts and reasons, which the log has too",
    ("GET", "/meetings/{id}"): _INDEX,
    ("GET", "/failed"): _INDEX,
    ("GET", "/holds"): _HOLDS,
    ("GET", "/failed/retry"): "says how many there are, and does nothing",
    ("GET", "/deliveries"): _INDEX,
    ("GET", "/sign-in"): _NO_RECORDING,
    ("POST", "/sign-in"): _NO_RECORDING,
    ("POST", "/sign-out"): _NO_RECORDING,
    ("GET", "/static"): _NO_RECORDING,
    ("GET", "/docs"): _NO_RECORDING,
    ("GET", "/docs/errors"): _NO_RECORDING,
    ("GET", "/docs/runbook"): _NO_RECORDING,
    ("POST", "/webhooks/recording-done"): _DELIVERY,
    ("POST", "/webhooks/recording-done/"): _DELIVERY,
    ("POST", "/webhooks/recording-done/{secret}"): _DELIVERY,
    ("POST", "/webhooks/recording-done/{secret}/"): _DELIVERY,
}
COMMANDS = {
    "recordings retry": (["failed"], "failed", "retried"),
    "recordings cancel": (["pending"], "pending", "cancelled"),
    "recordings download": (["r1", "-o", "-"], "r1", "downloaded"),
    "deliveries show": (["d1"], "d1", "body_shown"),
    "deliveries replay": (["d1"], "d1", "replayed"),
    "holds add": (["--meeting-id", "m2", "--reason", "a case"], "hold:2", "held"),
    "holds release": (["1"], "hold:1", "released"),
    "export": (["--format", "csv"], "recordings", "exported"),
    "lift-pause": ([], "https://api.example.com", "api_pause_lifted"),
    "reconcile": (["--since", "30d"], "30d", "reconciliation_began"),
    "backfill": (["--meeting-ids", "-"], "backfill", "backfill_began"),
}
"""Commands that act, with arguments, and the subject and the action of their one entry."""
TESTED_ELSEWHERE = {
    "events replay": "tests/integration/test_events.py: event_replayed",
    "erase": "tests/integration/test_erasure.py: erasure_began, erased, _refused, _held; of a person: test_persons.py",
    "person": "tests/integration/test_persons.py: person_shown",
    "clean-up": "tests/e2e/test_cleanup.py: source_deletion_began, source_deleted, source_gone",
    "audit": "tests/integration/test_audit.py: verified, found_damaged, found_missing, found_unreadable; repaired: e2e",
    "reindex": "tests/integration/test_reindex.py: reindexed",
    "retention": "tests/integration/test_retention.py: retention_began, due, due_lifted",
}
SILENT_COMMANDS = {
    "events list": _INDEX,
    "notify": _NO_RECORDING,
    "recordings list": _INDEX,
    "holds list": _HOLDS,
    "recordings show": _INDEX,
    "deliveries list": _INDEX,
    "history": _RECORD,
    "audit-log": _RECORD,
    "check": _NO_RECORDING,
    "openapi": _NO_RECORDING,
    "serve": "what the service does is noted as it does it",
    "work": "what the service does is noted as it does it",
    "migrate": "the schema, or the whole index with its log into an empty database, proven equal",
    "demo": "a service of its own with nobody's recordings",
    "sandbox": "the emulated platform",
}


@pytest.fixture
async def rows(database: Database) -> None:
    """Store what the acts need."""
    await add(
        database,
        row("r1", **ARCHIVED),
        row("failed", state=State.FAILED, attempts=8, error_code="x", error_message="y", error_at=NOW),
        row("pending", next_attempt_at=NOW),
    )
    await add_delivery(database, body=BODY, recording_ids=("r1",), recordings_count=1)
    hold = {"scope": "host", "value": "7", "reason": "a case", "actor": "token:root", "at": NOW}
    await database.write(lambda tx: tx.execute(sa.insert(holds).values(hold)))


async def written(database: Database) -> list[tuple[str, str, str, str | None]]:
    """Return the log: who did what to what, and in which role."""
    await audit_log.seal(database, wait=True)
    query = sa.select(entries).order_by(entries.c.id)
    found = await database.read(lambda tx: tx.execute(query).all())
    assert all(one.action in ABOUT for one in found)
    return [(one.actor, one.action, one.subject, one.details.get("role")) for one in found]


def client_of(database: Database) -> httpx.AsyncClient:
    catalogue, changes = Catalogue(database), Interventions(database)
    return browser_of(database, catalogue, changes, Outside(), replay=replay_of(database))


def table_of(app: Any) -> Iterator[tuple[str, str]]:
    parts = webhook.WebhookParts(inbox=None, secrets=tuple, allowed_networks=(), max_body_bytes=1, clock=lambda: NOW)  # type: ignore[arg-type]
    for one in [*app.routes, *webhook.routes(parts)]:
        if isinstance(one, Mount):
            yield "GET", one.path
            continue
        assert isinstance(one, Route), "a kind of route that this test does not know"
        for method in sorted((one.methods or set()) - {"HEAD"}):
            yield method, one.path


@ON_SQLITE
async def test_every_route_leaves_its_entry_or_is_known_to_need_none(database: Database) -> None:
    async with client_of(database) as client:
        table = set(table_of(client._transport.app))  # type: ignore[attr-defined]
    assert table == ROUTES.keys() | SILENT_ROUTES.keys()
    assert not ROUTES.keys() & SILENT_ROUTES.keys()


@ON_SQLITE  # an act that writes the row writes its entry with it, which is tested on both
@pytest.mark.usefixtures("rows")
@pytest.mark.parametrize("route", ROUTES, ids=" ".join)
async def test_an_act_by_api_or_page_is_in_the_log_before_its_answer(
    database: Database, route: tuple[str, str]
) -> None:
    (method, path), (subject, action) = route, ROUTES[route]
    asked = ASKED.get(path, {})
    path = path.replace("{id}", subject.removeprefix("hold:"))
    who, role, token = ("root", "admin", ADMIN) if action == "erasure_began" else ("alice", "operator", OPERATOR)
    async with client_of(database) as client:
        if path.startswith("/api/"):
            answer = await client.request(method, path, headers=bearer(token), **asked)
        else:
            await sign_in(client, token)
            answer = await (client.get(path) if method == "GET" else post(client, path, **asked))
        assert answer.status_code in {200, 303, 307}, answer.text
    found = await written(database)
    assert found[0] == (f"token:{who}", action, subject, role)
    assert all(one[1] in {"reopened", "erased"} for one in found[1:])


@ON_SQLITE
@pytest.mark.usefixtures("rows")
async def test_a_route_that_needs_no_entry_leaves_none(database: Database) -> None:
    async with client_of(database) as client:
        await sign_in(client, ADMIN)
        for method, path in SILENT_ROUTES:
            if method == "GET":
                await client.get(path.replace("{id}", "r1"), headers=bearer(ADMIN) if path.startswith("/api/") else {})
                assert await written(database) == [], path


@pytest.mark.usefixtures("rows")
async def test_what_the_pages_player_fetches_is_told_from_a_download(database: Database) -> None:
    async with client_of(database) as client:
        await sign_in(client, ADMIN)
        shown = (await client.get("/recordings/r1")).text
        assert 'src="/recordings/r1/download?play"' in shown
        assert (await client.get("/recordings/r1/download?play")).status_code == 307
    assert await written(database) == [("token:root", "played", "r1", "admin")]


def leaves(group: click.Command, path: tuple[str, ...] = ()) -> Iterator[str]:
    if not isinstance(group, LazyGroup):
        yield " ".join(path)
        return
    for name in group._table:
        command = group.get_command(None, name)  # type: ignore[arg-type]
        assert command is not None
        yield from leaves(command, (*path, name))


def test_every_command_leaves_its_entry_or_is_known_to_need_none() -> None:
    tree = list(leaves(root))
    assert sorted(tree) == sorted([*COMMANDS, *TESTED_ELSEWHERE, *SILENT_COMMANDS])


@ON_SQLITE
@pytest.mark.usefixtures("rows")
@pytest.mark.parametrize("command", COMMANDS)
async def test_an_act_by_a_command_is_in_the_log(
    database: Database, database_url: str, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "DATABASE_URL": database_url,
        "API_URL": "https://api.example.com",
        "API_ADMIN_KEY": "an-admin-key",
        "S3_BUCKET": "team",
    }.items():
        monkeypatch.setenv(f"RECEIVER_{name}", value)

    async def nothing(*_: Any) -> None:
        """Stand for the bucket and the platform, which come after the entry."""

    monkeypatch.setattr("receiver.cli.download._fetch", nothing)
    monkeypatch.setattr("receiver.reconcile.Reconciler.reconcile", nothing)
    for name in ("reconcile", "backfill"):  # signals are told to a main thread only
        monkeypatch.setattr(f"receiver.cli.{name}.run_until_signal", asyncio.run)
    arguments, subject, action = COMMANDS[command]
    await asyncio.to_thread(CliRunner().invoke, root, [*command.split(), *arguments], input="")
    found = await written(database)
    assert found, f"{command} left no entry"
    assert found[0] == (USER, action, subject, None)
    assert all(one[1] == "reopened" for one in found[1:])
