"""The schema: every revision upgrades to head on both databases, and head is what the tables say."""

from __future__ import annotations

from collections.abc import Iterator

import asyncpg
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from pgqueuer.adapters.persistence.queries import Queries

from receiver.catalogue import Catalogue, Holds
from receiver.catalogue.holds import held_among
from receiver.errors import SchemaOutdatedError
from receiver.records import Actor, HoldScope, RecordingId, State
from receiver.tables import Database, check_head, metadata, open_database, upgrade
from receiver.tables.schema import folder
from tests.support.databases import fresh_database

REVISIONS = [script.revision for script in reversed(list(ScriptDirectory(folder()).walk_revisions()))]


@pytest.mark.parametrize("start", [None, *REVISIONS])
async def test_upgrades_from_every_revision_and_matches_the_tables(empty_database_url: str, start: str | None) -> None:
    database = open_database(empty_database_url)
    try:
        if start is not None:
            assert await upgrade(database, start) == (None, start)
            await database.write(lambda tx: _add(tx, "old"))
        assert await upgrade(database) == (start, REVISIONS[-1])
        await check_head(database)
        options = {"compare_type": True, "compare_server_default": True, "include_name": _ours}
        differences = await database.read(
            lambda tx: compare_metadata(MigrationContext.configure(tx, opts=options), metadata)
        )
        assert differences == []
        await _assert_sums_are_kept(database, recordings=int(start is not None))
    finally:
        await database.close()


def _add(tx: sa.Connection, recording_id: str) -> None:
    """Add an archived recording, in columns that every revision has."""
    at = "'2026-11-22 12:00:00.000000'"
    tx.exec_driver_sql(
        "INSERT INTO recordings (id, meeting_id, search_text, created_at, state, size_bytes, first_seen_via, "  # noqa: S608
        f"first_seen_at) VALUES ('{recording_id}', 'm', '', {at}, 'archived', 7, 'webhook', {at})"
    )


async def _assert_sums_are_kept(database: Database, recordings: int) -> None:
    """Fail unless triggers count and sum recordings; SQLite forgets those of a table that a migration makes anew."""

    def change(tx: sa.Connection) -> None:
        for recording_id in ("added", "erased", "deleted"):
            _add(tx, recording_id)
        tx.exec_driver_sql("UPDATE recordings SET state = 'erased' WHERE id = 'erased'")
        tx.exec_driver_sql("DELETE FROM recordings WHERE id = 'deleted'")

    await database.write(change)
    counts = {state: many for state, many in (await Catalogue(database).counts()).items() if many}
    assert counts == {State.ARCHIVED: recordings + 1, State.ERASED: 1}
    assert await Catalogue(database).archived_bytes() == 7 * (recordings + 1)


def _ours(name: str | None, kind: str, _parents: object) -> bool:
    """Leave the engine's own tables out: pgqueuer declares those, and 0002 holds what it declared."""
    return kind != "table" or not (name or "").startswith("pgqueuer")


@pytest.fixture
def postgres_url(postgres) -> Iterator[str]:
    with fresh_database(postgres) as url:
        yield url


async def test_the_engine_finds_its_schema_complete(postgres_url: str) -> None:
    """A release of pgqueuer that wants another schema fails here, and needs a migration."""
    connection = await asyncpg.connect(postgres_url)
    try:
        assert (await Queries.from_asyncpg_connection(connection).plan_upgrade()).statements == ()
    finally:
        await connection.close()


async def test_an_old_schema_is_refused_with_the_remedy(empty_database_url: str) -> None:
    database = open_database(empty_database_url)
    try:
        with pytest.raises(SchemaOutdatedError, match=r"no schema at all.*run `receiver migrate`"):
            await check_head(database)
    finally:
        await database.close()


async def test_upgrading_twice_changes_nothing(empty_database_url: str) -> None:
    database = open_database(empty_database_url)
    try:
        await upgrade(database)
        assert await upgrade(database) == (REVISIONS[-1], REVISIONS[-1])
    finally:
        await database.close()


async def test_what_an_earlier_release_held_becomes_a_hold_of_its_own(empty_database_url: str) -> None:
    database = open_database(empty_database_url)
    insert = (
        "INSERT INTO recordings (id, meeting_id, search_text, created_at, state, hold, first_seen_via, first_seen_at) "
        "VALUES ('{0}', 'm1', '', '2026-11-22 12:00:00', 'archived', {1}, 'webhook', '2026-11-22 12:00:00')"
    )
    try:
        await upgrade(database, "0019")
        for name, hold in (("r1", "true"), ("r2", "false")):
            statement = sa.text(insert.format(name, hold))
            await database.write(lambda tx, statement=statement: tx.execute(statement))
        await upgrade(database)
        found = await database.write(lambda tx: held_among(tx, [RecordingId("r1"), RecordingId("r2")]))
        ((recording_id, (hold,)),) = found.items()
        assert (recording_id, hold.scope, hold.value) == ("r1", HoldScope.RECORDING, "r1")
        assert hold.reason.startswith("held before release 0023")
        released = Holds(database).release(hold.id, reason=None, by=Actor("token:alice"), now=hold.at)
        assert (await released).id == hold.id
        assert not (await Catalogue(database).recording(RecordingId("r1"))).hold
    finally:
        await database.close()
