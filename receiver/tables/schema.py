"""Bringing a database to this release's schema, and refusing to start on one that this release cannot work with.

Migrations are expand, then contract: each declares `compatible_from`, the oldest revision whose code may go on working
on its schema. Upgrading writes that beside the schema, where a release that does not know the revision finds it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from receiver import logs
from receiver.errors import SchemaOutdatedError
from receiver.tables.metadata import metadata

if TYPE_CHECKING:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    from receiver.tables.database import Database

NOT_MOVED = "not_moved"
"""Key of `Table.info` for a table whose rows belong to the database they lie in."""

schema_compatibility = sa.Table(
    "schema_compatibility",
    metadata,
    sa.Column("revision", sa.Text, primary_key=True),
    sa.Column("compatible_from", sa.Text, nullable=False),
    info={NOT_MOVED: True},
)
"""One row, of the revision that the database is at; a row of another revision says nothing."""

_log = logs.get("tables")


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a database stands. `is_newer`: at a revision that this release does not know, but may work on."""

    current: str | None
    head: str | None
    is_newer: bool


def _config() -> Config:
    from alembic.config import Config  # noqa: PLC0415  (slow to import, and only start-up and `migrate` need it)

    package = Path(__file__).parents[1]
    # a wheel carries the migrations inside the package, a checkout beside it
    folder = package / "migrations" if (package / "migrations").is_dir() else package.parent / "migrations"
    config = Config()
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    return config


def _scripts() -> ScriptDirectory:
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    return ScriptDirectory.from_config(_config())


def _current(connection: sa.Connection) -> str | None:
    from alembic.runtime.migration import MigrationContext  # noqa: PLC0415

    return MigrationContext.configure(connection).get_current_revision()


def _standing(connection: sa.Connection) -> Standing:
    """Compare the database with this release; raises `SchemaOutdatedError` for a newer one that left it behind."""
    current, scripts = _current(connection), _scripts()
    head = scripts.get_current_head()
    known = {script.revision for script in scripts.walk_revisions()}
    if current is None or current in known:
        return Standing(current, head, is_newer=False)
    oldest = None
    if sa.inspect(connection).has_table(schema_compatibility.name):
        columns = schema_compatibility.c
        oldest = connection.execute(
            sa.select(columns.compatible_from).where(columns.revision == current)
        ).scalar_one_or_none()
    # revisions form one line: a release that knows the oldest one is that one's or a later one's
    if oldest in known:
        return Standing(current, head, is_newer=True)
    raise SchemaOutdatedError(
        f"the database is at {current}, which is newer than this release (it knows {head}) and "
        + (f"works with releases from {oldest} on" if oldest else "names no older release that may work with it")
        + ": run the release that upgraded the database, or a later one"
    )


def _upgrade(connection: sa.Connection, revision: str) -> None:
    from alembic import command  # noqa: PLC0415

    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, revision)
    _declare(connection)


def _declare(connection: sa.Connection) -> None:
    """Write what the revision now reached says of older releases, in the upgrade's own transaction."""
    if not sa.inspect(connection).has_table(schema_compatibility.name):
        return
    connection.execute(sa.delete(schema_compatibility))
    current = _current(connection)
    oldest = getattr(_scripts().get_revision(current or "base").module, "compatible_from", None)
    if oldest is not None:
        connection.execute(sa.insert(schema_compatibility).values(revision=current, compatible_from=oldest))


async def upgrade(database: Database, revision: str = "head") -> tuple[str | None, str | None]:
    """Migrate to `revision` in one transaction and return (before, after). Safe to repeat, and to run twice at once.

    A newer schema that this release may work on is left as it is. Raises `SchemaOutdatedError` for one it may not.
    """
    async with database.write() as tx:
        before = await tx.run_sync(_standing)
        if before.is_newer:
            return before.current, before.current
        await tx.run_sync(_upgrade, revision)
        after = await tx.run_sync(_current)
    return before.current, after


async def standing(database: Database) -> Standing:
    """Compare the database with this release; raises `SchemaOutdatedError` for a newer one that left it behind."""
    async with database.read() as connection:
        return await connection.run_sync(_standing)


async def is_at_head(database: Database) -> bool:
    """Tell whether the database is at exactly this release's schema."""
    async with database.read() as connection:
        return await connection.run_sync(_current) == _scripts().get_current_head()


async def check_head(database: Database) -> None:
    """Raise `SchemaOutdatedError` unless this release can work on the database's schema.

    That is its own schema, or a newer one which says so: while machines are upgraded one after the other, those still
    on the old release may be restarted.
    """
    found = await standing(database)
    if found.is_newer:
        _log.warning("schema_newer", revision=found.current, known=found.head)
    elif found.current != found.head:
        raise SchemaOutdatedError(
            f"the database is at {found.current or 'no schema at all'}, this release needs {found.head}: "
            "run `receiver migrate` with the same settings"
        )
