"""Moving the index from a SQLite file to PostgreSQL, while no service works on the file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError

from receiver import logs
from receiver.app.configs import learn_secrets, sqlite_path
from receiver.app.process import only_worker
from receiver.errors import ReceiverError, SettingsError
from receiver.tables import MoveReport, SqliteDatabase, move, open_database

if TYPE_CHECKING:
    from collections.abc import Callable

    from receiver.settings import Settings


@dataclass(frozen=True, slots=True)
class Ends:
    """The checked ends of a move; their text names them without user, password or options."""

    settings: Settings
    """As the service on the old file has them."""
    target_url: str
    source: str
    target: str


def ends(settings: Settings, *, source_url: str, target_url: str) -> Ends:
    """Check where a move goes from and to; raises `SettingsError`, and `ReceiverError` for a file that is not there."""
    learn_secrets(settings)
    source = settings.model_copy(update={"database_url": source_url})
    path = sqlite_path(source)
    if path is None or not path.name:
        raise SettingsError("--from must be sqlite:///path, the file of the service that has outgrown it")
    if not path.exists():
        raise ReceiverError(f"there is no database at {path}", "name the service's own with --from sqlite:///path")
    try:
        url = sa.make_url(target_url)
    except (ArgumentError, ValueError) as e:
        raise SettingsError("--to is not a URL; write postgresql://user:pass@host/db") from e
    if url.drivername not in ("postgresql", "postgres") or not url.database:
        raise SettingsError("--to must be postgresql://user:pass@host/db")
    logs.redact.remember([url.password or "", str(url.query.get("password", ""))])
    shown = sa.URL.create("postgresql", host=url.host, port=url.port, database=url.database)
    return Ends(source, target_url, f"sqlite:///{path}", shown.render_as_string())


async def move_index(between: Ends, progress: Callable[[str, int], None]) -> MoveReport:
    """Move the index and prove it; see `receiver.tables.move`.

    Raises `DatabaseLockedError` while a service works on the file, `SchemaOutdatedError`, `ReceiverError`.
    """
    with only_worker(between.settings):
        source, target = SqliteDatabase(between.settings.database_url), open_database(between.target_url)
        try:
            return await move(source, target, progress)
        finally:
            await source.close()
            await target.close()
