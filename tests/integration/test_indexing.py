"""What rows are found by follows them: through changes, what an earlier release wrote, and cut-off indexing."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from receiver.app.indexing import index_all
from receiver.catalogue import Catalogue, Filters
from receiver.catalogue.filters import ATTENDEE, WORDS
from receiver.catalogue.indexing import count_left, index_left, place_of, reindex
from receiver.inbox import Inbox
from receiver.jobs import MemoryJobs
from receiver.records import State
from receiver.tables import recordings, search_postings
from receiver.tables.postings import tokens_of
from tests.support.clock import NOW
from tests.support.intake import accept
from tests.support.operators import add, row
from tests.support.payloads import payload

if TYPE_CHECKING:
    from receiver.tables import Database


async def found(database: Database, *words: str) -> list[str]:
    page = await Catalogue(database).page(Filters((WORDS(words),)))
    return [one.id for one in page.items]


async def assert_postings_follow(database: Database) -> None:
    def read(tx: sa.Connection) -> tuple[set[tuple[str, int]], set[tuple[str, int]]]:
        rows = tx.execute(sa.select(recordings.c.search_text, recordings.c.place)).all()
        expected = {(token, place) for text, place in rows if place is not None for token in tokens_of(text)}
        held = tx.execute(sa.select(search_postings.c.token, search_postings.c.place))
        return expected, {(token, place) for token, place in held}

    expected, held = await database.read(read)
    assert held == expected


def delivery(name: str, *, at: str, attendees: str = "") -> bytes:
    body = payload("r1", updated_at=at).replace(b"Weekly", name.encode())
    return body.replace(b'"host_id": 7}', f'"host_id": 7{attendees}}}'.encode(), 1)


async def test_a_newer_delivery_changes_by_what_a_recording_is_found(database: Database) -> None:
    inbox = Inbox(database, MemoryJobs(database, concurrency=1), keep_urls=True)
    first = ', "attendees": [{"id": 5, "email": "Ann@x.org"}, {"email": "bo@x.org"}, {}, 3]'
    await accept(inbox, delivery("Sales", at="2026-11-22T10:00:00Z", attendees=first), now=NOW)
    assert await found(database, "sales", "ann@x") == ["r1"]
    await accept(inbox, delivery("Budget", at="2026-11-22T11:00:00Z"), now=NOW + timedelta(seconds=1))
    assert [await found(database, "sales"), await found(database, "budget", "bo")] == [[], ["r1"]]
    emptied = delivery("Budget", at="2026-11-22T12:00:00Z", attendees=', "attendees": [{"id": 6}]')
    await accept(inbox, emptied, now=NOW + timedelta(seconds=2))
    older = delivery("Old", at="2026-11-22T09:00:00Z", attendees=first)
    await accept(inbox, older, now=NOW + timedelta(seconds=3))
    page = await Catalogue(database).page(Filters((ATTENDEE("6"),)))
    assert [(one.id, [(a.id, a.email) for a in one.attendees]) for one in page.items] == [("r1", [(6, None)])]
    assert await found(database, "bo") == []
    await assert_postings_follow(database)


async def test_rows_of_an_earlier_release_are_indexed_in_turns(database: Database) -> None:
    def change(tx: sa.Connection) -> None:
        for number in range(25):
            tx.execute(sa.insert(recordings).values(row(f"r{number:02}", meeting_name=f"Zürich {number}")))

    await database.write(change)
    assert await found(database, "zurich") == []
    assert await database.write(lambda tx: index_left(tx, 10)) == 10
    assert await database.read(count_left) == 15
    told: list[tuple[int, int]] = []
    assert await index_all(database, lambda done, total: told.append((done, total))) == 15
    assert told == [(15, 15)]
    assert len(await found(database, "zurich")) == 25
    assert await index_all(database, lambda *_: None) == 0
    await assert_postings_follow(database)


async def test_recordings_that_share_a_place_are_told_apart(database: Database, monkeypatch) -> None:
    monkeypatch.setattr("receiver.catalogue.indexing.zlib.crc32", lambda _: 7)
    await add(database, row("a", meeting_name="Alpha sync"), row("b", meeting_name="Beta sync"))
    assert place_of(NOW, "a") == place_of(NOW, "b")
    assert [await found(database, w) for w in ("alpha", "beta", "sync")] == [["a"], ["b"], ["b", "a"]]

    def rename(tx: sa.Connection) -> None:
        tx.execute(sa.update(recordings).where(recordings.c.id == "a").values(meeting_name="Gamma"))
        reindex(tx, ["a"])

    await database.write(rename)
    assert [await found(database, w) for w in ("alpha", "gamma", "sync")] == [[], ["a"], ["b"]]


async def test_counts_follow_whoever_writes(database: Database) -> None:
    catalogue = Catalogue(database)

    async def is_counted() -> None:
        query = sa.select(recordings.c.state, sa.func.count()).group_by(recordings.c.state)
        held = dict(await database.read(lambda tx: tx.execute(query).all()))
        assert {state: many for state, many in (await catalogue.counts()).items() if many} == held
        total = sa.select(sa.func.coalesce(sa.func.sum(recordings.c.size_bytes), 0))
        total = total.where(recordings.c.state == State.ARCHIVED)
        assert await catalogue.archived_bytes() == await database.read(lambda tx: tx.execute(total).scalar_one())

    async def change(which: sa.ColumnElement[bool], **values: Any) -> None:
        await database.write(lambda tx: tx.execute(sa.update(recordings).where(which).values(values)))
        await is_counted()

    for number in range(6):
        states = (State.PENDING, State.FAILED, State.FAILED)
        await add(database, *(row(f"r{number}-{n}", state=states[n % 3], size_bytes=n) for n in range(400)))
    await is_counted()
    await change(recordings.c.state == State.PENDING, state=State.ARCHIVED)
    await is_counted()  # once more, after folding
    assert await catalogue.archived_bytes() > 0
    await add(database, *(row(f"a{n}", state=State.ARCHIVED, size_bytes=n or None) for n in range(5)))
    await change(recordings.c.id.like("r2-%"), size_bytes=recordings.c.size_bytes + 2**40)
    await change(recordings.c.id == "r3-0", size_bytes=None)
    await change(recordings.c.id.like("r4-%"), state=State.ERASED, size_bytes=None)

    async def rolled_back() -> None:
        def fail(tx: sa.Connection) -> None:
            tx.execute(sa.delete(recordings))
            raise KeyError

        try:
            await database.write(fail)
        except KeyError:
            return

    await rolled_back()
    await is_counted()
    await database.write(lambda tx: tx.execute(sa.delete(recordings).where(recordings.c.id.like("r1-%"))))
    await is_counted()
