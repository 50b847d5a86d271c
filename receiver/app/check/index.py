"""What the index already tells of the platform: a meeting to ask for, and hosts that files came from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlalchemy.exc import ProgrammingError

from receiver.app.configs import sqlite_path
from receiver.app.shared_pause import DatabasePause
from receiver.catalogue import Catalogue, Filters
from receiver.errors import ReceiverError
from receiver.tables import open_database

if TYPE_CHECKING:
    from receiver.records import MeetingId, RefusedSource
    from receiver.settings import Settings


@dataclass(frozen=True, slots=True)
class IndexSight:
    """Nothing, where there is no index yet or it cannot be read; `database_findings` says why."""

    meeting_id: MeetingId | None = None
    hosts: dict[str, int] = field(default_factory=dict)
    refused: list[RefusedSource] = field(default_factory=list)
    """Where recordings would have come from whose download URL was not allowed."""
    waiting: dict[str, int] = field(default_factory=dict)
    """How many recordings wait to be tried again, by error code."""
    pause_left_s: float = 0.0
    """For how long the Meetings API has asked not to be asked."""


async def look_at_index(settings: Settings) -> IndexSight:
    """Read the index without changing it."""
    path = sqlite_path(settings)
    if path is not None and not path.is_file():
        return IndexSight()
    database = open_database(settings.database_url)
    try:
        catalogue = Catalogue(database)
        newest = (await catalogue.page(Filters(), limit=1)).items
        return IndexSight(
            newest[0].meeting.id if newest else None,
            await catalogue.source_hosts(),
            await catalogue.refused_sources(),
            await catalogue.waiting(),
            await DatabasePause(database, settings.api_url).left_s(),
        )
    except (ReceiverError, ProgrammingError):
        return IndexSight()
    finally:
        await database.close()
