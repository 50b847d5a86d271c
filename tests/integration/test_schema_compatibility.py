"""A release on the schema of a newer one: accepted when that schema says so, refused otherwise."""

from __future__ import annotations

import subprocess
import sys

import pytest
import sqlalchemy as sa
from alembic.script import ScriptDirectory
from structlog.testing import capture_logs

from receiver.errors import SchemaOutdatedError
from receiver.tables import Database, check_head, upgrade
from receiver.tables.schema import _revisions, folder, schema_compatibility
from tests.support.databases import ON_SQLITE

SCRIPTS = ScriptDirectory(folder())
REVISIONS = [script.revision for script in reversed(list(SCRIPTS.walk_revisions()))]
HEAD = REVISIONS[-1]


async def _become_newer(database: Database, *rows: dict[str, str]) -> None:
    """Leave the database as the upgrade of a later release would."""

    def change(tx):
        tx.execute(sa.text("UPDATE alembic_version SET version_num = '9001'"))
        tx.execute(sa.delete(schema_compatibility))
        for row in rows:
            tx.execute(sa.insert(schema_compatibility).values(row))

    await database.write(change)


def test_the_files_are_named_by_their_revisions_in_order() -> None:
    assert _revisions() == REVISIONS


def test_every_revision_names_the_oldest_release_that_may_work_on_it() -> None:
    for number, revision in enumerate(REVISIONS):
        if revision >= "0004":  # the table came with it
            assert SCRIPTS.get_revision(revision).module.compatible_from in REVISIONS[: number + 1]


async def test_an_upgrade_declares_its_own_revision_alone(database: Database) -> None:
    rows = await database.read(lambda tx: tx.execute(sa.select(schema_compatibility)).all())
    assert rows == [(HEAD, SCRIPTS.get_revision(HEAD).module.compatible_from)]


@pytest.mark.parametrize("oldest", [REVISIONS[0], HEAD])
async def test_a_newer_schema_that_suits_this_release_is_worked_on_and_left_alone(
    database: Database, oldest: str
) -> None:
    await _become_newer(database, {"revision": "9001", "compatible_from": oldest})
    with capture_logs() as logged:
        await check_head(database)
    (line,) = logged
    assert (line["event"], line["revision"], line["known"]) == ("schema_newer", "9001", HEAD)
    assert await upgrade(database) == ("9001", "9001")


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([], "names no older release"),
        ([{"revision": HEAD, "compatible_from": HEAD}], "names no older release"),  # left by another revision
        ([{"revision": "9001", "compatible_from": "9000"}], "works with releases from 9000 on"),
    ],
    ids=["silent", "stale", "contracted"],
)
async def test_a_newer_schema_that_does_not_say_so_is_refused(
    database: Database, rows: list[dict[str, str]], reason: str
) -> None:
    await _become_newer(database, *rows)
    for refused in (check_head, upgrade):
        with pytest.raises(SchemaOutdatedError, match=rf"9001, which is newer .*{reason}.*run the release that"):
            await refused(database)


async def test_a_newer_schema_without_the_table_is_refused(database: Database) -> None:

    def change(tx):
        tx.execute(sa.text("DROP TABLE schema_compatibility"))
        tx.execute(sa.text("UPDATE alembic_version SET version_num = '9001'"))

    await database.write(change)
    with pytest.raises(SchemaOutdatedError, match="names no older release"):
        await check_head(database)


AT_HEAD = """
import asyncio, sys
from receiver import app
from receiver.tables import check_head, open_database, upgrade
async def start():
    database = open_database(sys.argv[1])
    await upgrade(database)
    await check_head(database)
    await database.close()
asyncio.run(start())
print({"alembic", "sqlalchemy.orm", "asyncpg"} & sys.modules.keys())
"""


@ON_SQLITE  # PostgreSQL's asyncio driver brings the ORM
def test_a_start_at_head_on_sqlite_loads_no_alembic_no_orm_and_no_driver_of_postgresql(database_url: str) -> None:
    """They take 25 MB, which every idle service would hold."""
    done = subprocess.run([sys.executable, "-c", AT_HEAD, database_url], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
