"""The schema: every revision upgrades to head on both databases, and head is what the tables say."""

from __future__ import annotations

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from receiver.errors import SchemaOutdatedError
from receiver.tables import check_head, metadata, open_database, upgrade
from receiver.tables.schema import _config

REVISIONS = [script.revision for script in reversed(list(ScriptDirectory.from_config(_config()).walk_revisions()))]


@pytest.mark.parametrize("start", [None, *REVISIONS])
async def test_upgrades_from_every_revision_and_matches_the_tables(empty_database_url: str, start: str | None) -> None:
    database = open_database(empty_database_url)
    try:
        if start is not None:
            assert await upgrade(database, start) == (None, start)
        assert await upgrade(database) == (start, REVISIONS[-1])
        await check_head(database)
        options = {"compare_type": True, "compare_server_default": True}
        async with database.read() as tx:
            differences = await tx.run_sync(
                lambda connection: compare_metadata(MigrationContext.configure(connection, opts=options), metadata)
            )
        assert differences == []
    finally:
        await database.close()


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
