"""What a scrape tells of the index: what happened when, does the database take a write, how much room is left."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from receiver import metrics
from receiver.app.probing import Readiness, probe_parts
from receiver.catalogue.audit_log import AuditEntry, append, seal
from receiver.errors import StorageUnavailableError
from receiver.records import Actor, State
from receiver.settings import Needs, load
from receiver.tables import Database, reconciliations
from tests.support.operators import ARCHIVED, NOW, add, add_delivery, row

if TYPE_CHECKING:
    from receiver.api import ProbeParts

LAST = {
    name: f"receiver_{name}_timestamp_seconds"
    for name in ("last_delivery", "last_archived", "last_reconciliation", "newest_missed", "last_verified")
}


def shown(name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


@pytest.fixture(autouse=True)
def unread() -> Iterator[None]:
    """Let the series be as at a start."""
    held = [getattr(metrics, name) for name in (*LAST, "audit_log_head")]
    for series in held:
        series.value = None
    yield
    for series in held:
        series.value = None


@pytest.fixture
async def probes(database: Database, database_url: str) -> ProbeParts:
    settings = load(Needs.DATABASE, {"RECEIVER_DATABASE_URL": database_url}, dotenv=None)
    return probe_parts(settings, database, asyncio.Event())


async def test_what_never_happened_is_told_from_what_was_not_read_yet(probes: ProbeParts) -> None:
    assert [shown(name) for name in LAST.values()] == [None] * 5
    await probes.measure()
    assert [shown(name) for name in LAST.values()] == [0.0] * 5


async def test_each_time_is_the_newest_of_its_kind(database: Database, probes: ProbeParts) -> None:
    ago = [NOW - timedelta(hours=n) for n in range(9)]
    await add_delivery(database, "d1", body=b"{}", received_at=ago[2])
    await add_delivery(database, "d2", body=b"[]", received_at=ago[1])
    await add(
        database,
        row("a1", **ARCHIVED | {"archived_at": ago[4]}),
        row("a2", **ARCHIVED | {"archived_at": ago[3], "verified_at": ago[2]}),
        row("m1", first_seen_via="reconcile", created_at=ago[6], first_seen_at=ago[0]),
        row("m2", first_seen_via="reconcile", created_at=ago[5], first_seen_at=ago[1]),
    )
    walk = {"since": ago[8], "began_at": ago[8], "holder": "h", "held_until": ago[7], "tally": {}}
    walks = [walk | {"name": "1", "ended_at": ago[7]}, walk | {"name": "2", "ended_at": None}]
    await database.write(lambda tx: tx.execute(sa.insert(reconciliations), walks))
    await probes.measure()
    expected = {
        "last_delivery": 1,
        "last_archived": 3,
        "last_reconciliation": 7,
        "newest_missed": 5,
        "last_verified": 2,
    }
    assert {name: shown(LAST[name]) for name in LAST} == {name: ago[n].timestamp() for name, n in expected.items()}


async def test_the_end_of_the_audit_log_is_told(database: Database, probes: ProbeParts) -> None:
    await probes.measure()
    assert shown("receiver_audit_log_head_sequence") == 0
    for number in range(3):
        entry = AuditEntry.of(Actor("token:tester"), "held", f"r{number}", at=NOW)
        await database.write(partial(append, entry=entry))
    await seal(database)
    await probes.measure()
    assert shown("receiver_audit_log_head_sequence") == 3


async def test_a_database_that_refuses_writes_is_told_while_it_can_be_read(
    database: Database, probes: ProbeParts, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(_: Readiness) -> None:
        raise StorageUnavailableError("the disk is full")

    await probes.measure()
    assert shown("receiver_database_writable") == 1
    await add(database, row("r1", state=State.FAILED))
    with monkeypatch.context() as broken:
        broken.setattr(Readiness, "check", full)
        await probes.measure()
    assert (shown("receiver_database_writable"), shown("receiver_recordings", state="failed")) == (0, 1)
    await probes.measure()
    assert shown("receiver_database_writable") == 1


async def test_the_room_on_the_disk_of_an_embedded_database_is_shown(database: Database, probes: ProbeParts) -> None:
    metrics.disk_bytes.set(0)
    metrics.disk_free_bytes.set(0)
    await probes.measure()
    free, size = shown("receiver_database_disk_free_bytes"), shown("receiver_database_disk_bytes")
    assert free is not None
    assert size is not None
    assert (0 < free < size) if database.is_sqlite else (free, size) == (0, 0)


def test_the_process_and_its_release_are_told() -> None:
    content, _ = metrics.render()
    for name in ("process_resident_memory_bytes", "process_open_fds", "process_start_time_seconds", "python_info"):
        assert f"\n{name}" in content.decode()
    assert 'receiver_build_info{version="' in content.decode()
    assert datetime.fromtimestamp(shown("process_start_time_seconds") or 0, UTC) < datetime.now(UTC)
