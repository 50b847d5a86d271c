"""Bringing a database to this release's schema, and refusing to start on another one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from receiver.errors import SchemaOutdatedError

if TYPE_CHECKING:
    import sqlalchemy as sa
    from alembic.config import Config

    from receiver.tables.database import Database


def _config() -> Config:
    from alembic.config import Config  # noqa: PLC0415  (slow to import, and only start-up and `migrate` need it)

    package = Path(__file__).parents[1]
    # a wheel carries the migrations inside the package, a checkout beside it
    folder = package / "migrations" if (package / "migrations").is_dir() else package.parent / "migrations"
    config = Config()
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    return config


def _current_and_head(connection: sa.Connection) -> tuple[str | None, str | None]:
    from alembic.runtime.migration import MigrationContext  # noqa: PLC0415
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    return (
        MigrationContext.configure(connection).get_current_revision(),
        ScriptDirectory.from_config(_config()).get_current_head(),
    )


def _upgrade(connection: sa.Connection, revision: str) -> None:
    from alembic import command  # noqa: PLC0415

    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


async def upgrade(database: Database, revision: str = "head") -> tuple[str | None, str | None]:
    """Migrate to `revision` in one transaction and return (before, after). Safe to repeat, and to run twice at once."""
    async with database.write() as tx:
        before, _ = await tx.run_sync(_current_and_head)
        await tx.run_sync(_upgrade, revision)
        after, _ = await tx.run_sync(_current_and_head)
    return before, after


async def check_head(database: Database) -> None:
    """Raise `SchemaOutdatedError` unless the database is at this release's schema."""
    async with database.read() as connection:
        current, head = await connection.run_sync(_current_and_head)
    if current != head:
        found = current or "no schema at all"
        raise SchemaOutdatedError(
            f"the database is at {found}, this release needs {head}: run `receiver migrate` with the same settings"
        )
