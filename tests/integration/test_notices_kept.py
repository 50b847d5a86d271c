"""People are told of single recordings: given up, not what was archived, or due to be erased."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from receiver.catalogue import Interventions
from receiver.records import Fixity, RecordingId, State
from receiver.tables import Database, recordings
from tests.support.databases import ON_SQLITE
from tests.support.operators import ARCHIVED, NOW, add, row
from tests.support.watching import archive, look_for

if TYPE_CHECKING:
    from receiver.notices import Watch
    from tests.support.mailbox import Mailbox
    from tests.support.watching import Clock


async def change(database: Database, recording_id: str, **values: Any) -> None:
    update = sa.update(recordings).where(recordings.c.id == recording_id).values(values)
    await database.write(lambda tx: tx.execute(update))


@pytest.mark.parametrize("found", [Fixity.DAMAGED, Fixity.MISSING, Fixity.UNREADABLE])
async def test_a_damaged_object_is_told_once_and_its_end_once(
    database: Database, watch: Watch, clock: Clock, mailbox: Mailbox, found: Fixity
) -> None:
    await add(database, row("r1", **ARCHIVED), row("r2", **ARCHIVED))
    await change(database, "r1", fixity=found)
    await change(database, "r2", fixity=Fixity.INTACT)
    await look_for(watch, clock, timedelta(hours=2), by=timedelta(minutes=20))
    assert mailbox.titles == ["Archived objects are not what was archived"]
    assert f"r1 ({found.value})" in mailbox.mails[0].get_content()
    assert "r2" not in mailbox.mails[0].get_content()
    assert "Command: receiver audit --repair --recording-id r1" in mailbox.mails[0].get_content().splitlines()
    await change(database, "r1", fixity=Fixity.INTACT)
    await look_for(watch, clock, timedelta(hours=2), by=timedelta(minutes=20))
    assert mailbox.titles[1:] == ["Over: Objects that were found damaged are intact again, or erased"]


@ON_SQLITE  # the statement is the same
async def test_what_is_due_to_be_erased_is_told_once_for_all_and_not_what_is_held(
    database: Database, watch: Watch, clock: Clock, mailbox: Mailbox
) -> None:
    await add(database, *(row(f"r{n}", **ARCHIVED) for n in range(3)))
    for n in range(3):
        await change(database, f"r{n}", due_since=NOW, hold=n == 2)
    await look_for(watch, clock, timedelta(hours=2), by=timedelta(minutes=20))
    assert mailbox.titles == ["Recordings are due to be erased"]
    assert "Recordings are due to be erased: 2." in mailbox.mails[0].get_content()
    for n in range(2):
        await change(database, f"r{n}", hold=True)
    await look_for(watch, clock, timedelta(hours=2), by=timedelta(minutes=20))
    assert mailbox.titles[1:] == ["Over: Recordings that were due are erased, or held"]


async def test_dead_recordings_are_told_once_each_and_together(
    database: Database, watch: Watch, clock: Clock, mailbox: Mailbox
) -> None:
    await add(database, row("a", state=State.FAILED, error_code="source_denied"))
    await look_for(watch, clock, timedelta(minutes=2))
    assert mailbox.titles == ["Recordings were given up"]
    assert "a (source_denied)" in mailbox.mails[0].get_content()
    assert "receiver recordings retry" in mailbox.mails[0].get_content()

    more = [row(f"b{n}", state=State.MISSING, error_code="recording_gone") for n in range(30)]
    await add(database, *more)
    await look_for(watch, clock, timedelta(minutes=50), by=timedelta(minutes=10))
    assert len(mailbox.mails) == 1, "they gather"
    await look_for(watch, clock, timedelta(hours=5), by=timedelta(minutes=30))
    assert len(mailbox.mails) == 2
    body = mailbox.mails[1].get_content()
    assert "Recordings were given up: 30." in body
    assert "and 20 more" in body
    assert "a (" not in body

    await Interventions(database).retry(RecordingId("a"), now=clock.now)
    fails = sa.update(recordings).where(recordings.c.id == "a").values(state=State.FAILED)
    await look_for(watch, clock, timedelta(hours=2), by=timedelta(minutes=30))
    await database.write(lambda tx: tx.execute(fails))
    await look_for(watch, clock, timedelta(hours=2), by=timedelta(minutes=30))
    assert len(mailbox.mails) == 2, "it was tried, which is no end"
    await archive(database, "a", clock.now)
    await look_for(watch, clock, timedelta(hours=2), by=timedelta(minutes=30))
    assert len(mailbox.mails) == 3
    assert "a" in mailbox.mails[2].get_content().splitlines()
