"""Retention on both databases: what is due is marked, waits, and is erased, unless it is held."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from receiver.app.check.findings import Health
from receiver.app.check.retention import retention_findings
from receiver.catalogue import Catalogue, Filters, Holds, LogQuery, RetentionIndex
from receiver.catalogue.filters import DUE
from receiver.errors import StoreUnavailableError
from receiver.records import Actor, DueGroup, HoldScope, RecordingId, RetentionPeriod, RetentionReport, State
from receiver.retention import Retention
from tests.support.clock import NOW
from tests.support.operators import ARCHIVED, add, row
from tests.support.row_erasure import RowErasure

if TYPE_CHECKING:
    from receiver.tables import Database

DAY = timedelta(days=1)
PERIOD = RetentionPeriod(days=365 * DAY, grace=14 * DAY)
BY = Actor("token:alice")


@dataclass
class Clock:
    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now


@dataclass
class Archive:
    database: Database
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.erasure = RowErasure(self.database)

    def retention(self, period: RetentionPeriod | None = PERIOD) -> Retention:
        return Retention(index=RetentionIndex(self.database), erasure=self.erasure, period=period, clock=self.clock)

    async def run(self, period: RetentionPeriod | None = PERIOD, *, after: timedelta = timedelta()) -> RetentionReport:
        self.clock.now += after
        return await self.retention(period).run()

    async def due(self) -> set[str]:
        return {one.id for one in (await Catalogue(self.database).page(Filters((DUE(True),)))).items}

    async def states(self) -> dict[str, State]:
        return {one.id: one.state for one in (await Catalogue(self.database).page(Filters())).items}


@pytest.fixture
async def archive(database: Database) -> Archive:
    """Store an old recording, one on hold, a young one and one that failed."""
    old = {"created_at": NOW - 400 * DAY, "listed_at": NOW - 399 * DAY, "size_bytes": 10}
    await add(
        database,
        row("old", **ARCHIVED | old),
        row("held", **ARCHIVED | old, meeting_id="m2"),
        row("young", **ARCHIVED | {"created_at": NOW - 364 * DAY, "listed_at": NOW - 363 * DAY}),
        row("failed", state=State.FAILED, created_at=NOW - 400 * DAY),
    )
    await Holds(database).add(HoldScope.MEETING, "m2", reason="a case", by=BY, now=NOW)
    return Archive(database)


async def test_what_is_due_is_marked_and_erased_after_the_grace_but_for_what_is_held(archive: Archive) -> None:
    group = DueGroup(erased_from=NOW + 14 * DAY, recordings=1, bytes=10)
    first = RetentionReport(due=2, held=1, kept=1, due_bytes=20, groups=(group,))
    assert await archive.retention().look() == first
    assert await archive.due() == set()
    assert await archive.run() == first
    assert await archive.due() == {"old", "held"}
    third = await archive.run(after=13 * DAY)  # by now the young one is due too
    assert (third.due, third.erased, len(third.groups)) == (3, 0, 2)
    assert archive.erasure.asked == []
    dry = await archive.retention().look()
    assert (dry.erased, dry.kept) == (0, 2)
    archive.clock.now += DAY
    dry = await archive.retention().look()
    last = await archive.run()
    assert (last.due, last.held, last.erased, last.kept) == (3, 1, 1, 1) == (dry.due, dry.held, dry.erased, dry.kept)
    assert (last.due_bytes, last.erased_bytes) == (dry.due_bytes, dry.erased_bytes)
    assert archive.erasure.asked == [("retention", "kept for 365 days")]
    assert await archive.states() == {
        "old": State.ERASED,
        "held": State.ARCHIVED,
        "young": State.ARCHIVED,
        "failed": State.FAILED,
    }


async def test_a_date_that_nobody_but_a_delivery_named_does_not_shorten_a_life(database: Database) -> None:
    """What was first seen today was not created in 2001, whoever says so; what the platform lists may have been."""
    long_ago = ARCHIVED | {"created_at": datetime(2001, 9, 9, tzinfo=UTC)}
    await add(
        database,
        row("forged", **long_ago, first_seen_at=NOW),
        row("listed", **long_ago, first_seen_at=NOW, listed_at=NOW),
        row("unlisted", **ARCHIVED | {"created_at": NOW - 400 * DAY}, first_seen_at=NOW - 399 * DAY),
    )
    archive = Archive(database)
    await archive.run()
    assert await archive.due() == {"listed", "unlisted"}
    shown = {one.id: one.expires_at for one in (await Catalogue(database, period=PERIOD).page(Filters())).items}
    assert (shown["forged"], shown["unlisted"]) == (NOW + 365 * DAY, NOW - 34 * DAY)
    await archive.run(after=14 * DAY)
    assert {one for one, state in (await archive.states()).items() if state is State.ERASED} == {"listed", "unlisted"}
    await archive.run(after=351 * DAY)
    assert await archive.due() == {"forged"}


async def test_a_mark_goes_where_the_date_was_only_a_delivery_s(database: Database) -> None:
    """As of a release that believed it: no process of this one erases by such a mark."""
    forged = ARCHIVED | {"created_at": NOW - 400 * DAY, "due_since": NOW - 20 * DAY}
    await add(database, row("forged", **forged, first_seen_at=NOW - DAY))
    archive = Archive(database)
    report = await archive.run()
    assert (report.due, report.erased, await archive.due()) == (0, 0, set())


async def test_a_released_one_is_erased_by_the_next_run(archive: Archive, database: Database) -> None:
    await archive.run()
    await archive.run(after=15 * DAY)
    await Holds(database).release(
        (await Catalogue(database).holds_of(RecordingId("held")))[0].id, reason=None, by=BY, now=NOW
    )
    assert (await archive.run()).erased == 1
    assert (await archive.states())["held"] is State.ERASED


async def test_a_hold_that_the_column_does_not_know_is_heeded(archive: Archive, database: Database) -> None:
    """The candidates are chosen by the column; the erasure asks the holds."""
    await archive.run()
    adding = Holds(database)
    adding._mark = replace  # type: ignore[method-assign, assignment]
    with pytest.raises(TypeError):  # killed before it could mark
        await adding.add(HoldScope.MEETING, "m1", reason="a case", by=BY, now=NOW)
    report = await archive.run(after=15 * DAY)
    assert (report.erased, (await archive.states())["old"]) == (0, State.ARCHIVED)


@pytest.mark.parametrize("between", [None, replace(PERIOD, days=500 * DAY)], ids=["off", "longer"])
async def test_switched_on_again_it_erases_nothing_the_same_night(
    archive: Archive, between: RetentionPeriod | None
) -> None:
    await archive.run()
    await archive.run(between, after=5 * DAY)
    assert await archive.due() == set()
    assert (await archive.run(after=20 * DAY)).erased == 0
    assert (await archive.run(after=13 * DAY)).erased == 0
    assert (await archive.run(after=DAY)).erased >= 1


async def test_a_store_that_is_away_ends_the_run_and_the_next_goes_on(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object, **__: object) -> None:
        raise StoreUnavailableError("away")

    await archive.run()
    with monkeypatch.context() as patch:
        patch.setattr(RowErasure, "erase", fail)
        with pytest.raises(StoreUnavailableError):
            await archive.run(after=15 * DAY)
    assert (await archive.run()).erased == 1


async def test_marks_are_on_record_of_each_recording(archive: Archive, database: Database) -> None:
    await RetentionIndex(database).begin(BY, now=NOW)
    await archive.run()
    await archive.run(None)
    began = (await Catalogue(database).acts(LogQuery(action="retention_began"))).items
    assert [(one.actor, one.subject) for one in began] == [("token:alice", "retention")]
    events = (await Catalogue(database).history(RecordingId("old"))).events
    assert [(one.actor, one.action) for one in events if one.actor == "retention"] == [
        ("retention", "due"),
        ("retention", "due_lifted"),
    ]


async def test_when_it_expires_is_shown_while_anything_does(archive: Archive, database: Database) -> None:
    old = RecordingId("old")
    assert (await Catalogue(database).recording(old)).expires_at is None
    catalogue = Catalogue(database, period=PERIOD)
    for found in (await catalogue.recording(old), (await catalogue.history(old)).recording):
        assert found.expires_at == NOW - 35 * DAY
    shown = {one.id: one.expires_at for one in (await catalogue.page(Filters())).items}
    assert (shown["young"], shown["failed"]) == (NOW + DAY, None)
    del archive


async def test_check_says_what_the_next_run_would_do(archive: Archive, database: Database) -> None:
    async def seen(period: RetentionPeriod | None = PERIOD) -> tuple[Health, str]:
        found = [one async for one in retention_findings(archive.retention(period), Holds(database))]
        assert (found[0].name, found[0].seen) == ("holds", "one stands")
        return found[1].state, found[1].seen

    assert (await seen(None))[1].startswith("off")
    assert await seen(replace(PERIOD, days=900 * DAY)) == (
        Health.OK,
        "nothing is older than RECEIVER_RETENTION_DAYS=900",
    )
    health, said = await seen()
    assert (health, "1 are in their grace, the last until 2026-12-06" in said) == (Health.OK, True), said
    await archive.run()
    archive.clock.now += 14 * DAY
    health, said = await seen()
    assert (health, "1 of them on hold; the next run erases 1 (10 B)" in said) == (Health.WARNING, True), said
