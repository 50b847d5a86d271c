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
from receiver.tables.metadata import NOT_MOVED, metadata

if TYPE_CHECKING:
    from alembic.script import ScriptDirectory

    from receiver.tables.database import Database

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
class SchemaStatus:
    """A database's revision and this release's. `is_newer`: the first is unknown here, but may be worked on."""

    current: str | None
    head: str
    is_newer: bool


_alembic_version = sa.table("alembic_version", sa.column("version_num", sa.Text))


def folder() -> Path:
    """Return where the migrations are: a wheel carries them inside the package, a checkout beside it."""
    package = Path(__file__).parents[1]
    return package / "migrations" if (package / "migrations").is_dir() else package.parent / "migrations"


def _revisions() -> list[str]:
    """Return every revision that this release knows, oldest first; they form one line, and files are named by them."""
    return sorted(path.name.partition("_")[0] for path in (folder() / "versions").glob("[0-9]*.py"))


def _current(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table(_alembic_version.name):
        return None
    revision: str | None = connection.execute(sa.select(_alembic_version.c.version_num)).scalar_one_or_none()
    return revision


def _status(connection: sa.Connection) -> SchemaStatus:
    """Compare the database with this release; raises `SchemaOutdatedError` for a newer one that left it behind."""
    current, known = _current(connection), _revisions()
    head = known[-1]
    if current is None or current in known:
        return SchemaStatus(current, head, is_newer=False)
    oldest = None
    if sa.inspect(connection).has_table(schema_compatibility.name):
        columns = schema_compatibility.c
        oldest = connection.execute(
            sa.select(columns.compatible_from).where(columns.revision == current)
        ).scalar_one_or_none()
    # a release that knows the oldest one is that one's or a later one's
    if oldest in known:
        return SchemaStatus(current, head, is_newer=True)
    raise SchemaOutdatedError(
        f"the database is at {current}, which is newer than this release (it knows {head}) and "
        + (f"works with releases from {oldest} on" if oldest else "names no older release that may work with it"),
        "run the release that upgraded the database, or a later one",
    )


def _upgrade(connection: sa.Connection, revision: str) -> None:
    # 10 MB and a quarter of a second that no service at head needs
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(folder()).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, revision)
    _declare(connection, ScriptDirectory.from_config(config))


def _declare(connection: sa.Connection, scripts: ScriptDirectory) -> None:
    """Write what the revision now reached says of older releases, in the upgrade's own transaction."""
    if not sa.inspect(connection).has_table(schema_compatibility.name):
        return
    connection.execute(sa.delete(schema_compatibility))
    current = _current(connection)
    oldest = getattr(scripts.get_revision(current or "base").module, "compatible_from", None)
    if oldest is not None:
        connection.execute(sa.insert(schema_compatibility).values(revision=current, compatible_from=oldest))


async def upgrade(database: Database, revision: str = "head") -> tuple[str | None, str | None]:
    """Migrate to `revision` in one transaction and return (before, after). Safe to repeat, and to run twice at once.

    A newer schema that this release may work on is left as it is. Raises `SchemaOutdatedError` for one it may not.
    """

    def bring(tx: sa.Connection) -> tuple[str | None, str | None]:
        before = _status(tx)
        if before.is_newer or before.current == (before.head if revision == "head" else revision):
            return before.current, before.current
        _upgrade(tx, revision)
        return before.current, _current(tx)

    return await database.write(bring)


async def schema_status(database: Database) -> SchemaStatus:
    """Compare the database with this release; raises `SchemaOutdatedError` for a newer one that left it behind."""
    return await database.read(_status)


async def is_at_head(database: Database) -> bool:
    """Tell whether the database is at exactly this release's schema."""
    return await database.read(_current) == _revisions()[-1]


async def check_head(database: Database) -> None:
    """Raise `SchemaOutdatedError` unless this release can work on the database's schema.

    That is its own schema, or a newer one which says so: while machines are upgraded one after the other, those still
    on the old release may be restarted.
    """
    found = await schema_status(database)
    if found.is_newer:
        _log.warning("schema_newer", revision=found.current, known=found.head)
    elif found.current != found.head:
        raise SchemaOutdatedError(
            f"the database is at {found.current or 'no schema at all'}, this release needs {found.head}",
            "run `receiver migrate` with the same settings",
        )
