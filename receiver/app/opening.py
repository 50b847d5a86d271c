"""The pieces that the service and the commands beside it open alike."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from receiver.app import indexing
from receiver.app.configs import learn_secrets, sqlite_path
from receiver.app.process import make_private_file
from receiver.app.shared_pause import DatabasePause
from receiver.errors import ReceiverError
from receiver.jobs import Jobs, open_jobs
from receiver.meetings import ApiConfig, MeetingsApi, open_api
from receiver.tables import Database, check_head, open_database, upgrade

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from receiver.settings import Settings


def utc_now() -> datetime:
    """Return the time by the wall clock, aware."""
    return datetime.now(UTC)


@asynccontextmanager
async def api_of(config: ApiConfig, database: Database) -> AsyncIterator[MeetingsApi]:
    """Open the API's client; its pauses are kept by every process that has this database."""
    async with open_api(config, shared=DatabasePause(database, config.url)) as api:
        yield api


@asynccontextmanager
async def checked_database(settings: Settings) -> AsyncIterator[Database]:
    """Open the database; raises `SchemaOutdatedError` unless this release can work on it."""
    database = open_database(settings.database_url)
    try:
        await check_head(database)
        yield database
    finally:
        await database.close()


@asynccontextmanager
async def index_beside(settings: Settings) -> AsyncIterator[Database]:
    """Open the index for a command that runs beside the service; raises `SchemaOutdatedError`.

    A command creates and upgrades nothing: the service it stands beside may be of another release.
    """
    learn_secrets(settings)
    path = sqlite_path(settings)
    if path is not None and not path.exists():
        raise ReceiverError(
            f"there is no database at {path}",
            "set RECEIVER_DATABASE_URL as the service has it, or run the command in the service's folder",
        )
    async with checked_database(settings) as database:
        yield database


async def migrate(
    settings: Settings, progress: Callable[[int, int], None] | None = None
) -> tuple[str | None, str | None]:
    """Bring the database to this release's schema; return the revisions before and after.

    With `progress`, index the rows that an earlier release wrote too; without, the service does that beside its work.
    """
    learn_secrets(settings)
    path = sqlite_path(settings)
    if path is not None:
        make_private_file(path)
    database = open_database(settings.database_url)
    try:
        revisions = await upgrade(database)
        if progress is not None:
            await indexing.index_all(database, progress)
        return revisions
    finally:
        await database.close()


def engine(settings: Settings, database: Database) -> Jobs:
    """Make the engine; a command only enqueues with it."""
    most = settings.concurrency
    return open_jobs(
        database,
        concurrency=most,
        host_concurrency=settings.host_concurrency or max(1, most * 3 // 4),
        global_concurrency=settings.global_concurrency,
    )
