"""A watch over an index, with a clock that a test moves on, facts of its own and a mailbox that people would have."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from receiver.catalogue import Notices, Sights
from receiver.errors import StorageUnavailableError
from receiver.notices import Watch, WatchPace, WatchParts, open_channels
from receiver.records import State
from receiver.tables import Database, recordings
from tests.support.mailbox import Mailbox
from tests.support.operators import ARCHIVED, NOW, row

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable


PACE = WatchPace()
LOOK = PACE.look_every


class Clock:
    """A time that a test moves on."""

    def __init__(self, at: datetime = NOW) -> None:
        self.now = at

    def __call__(self) -> datetime:
        return self.now


class Facts:
    """What does not come from rows."""

    refused = 0.0
    no_worker = False

    async def has_no_worker(self) -> bool:
        return self.no_worker


@pytest.fixture
async def mailbox() -> AsyncIterator[Mailbox]:
    async with Mailbox() as server:
        yield server


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def facts() -> Facts:
    return Facts()


@pytest.fixture
def another(database: Database, mailbox: Mailbox, clock: Clock, facts: Facts) -> Callable[..., Watch]:
    """Make the watch of one process more."""

    def make(**parts: Any) -> Watch:
        given = {
            "name": "team",
            "notices": Notices(database),
            "sights": Sights(database),
            "channels": open_channels([mailbox.url]),
            "has_no_worker": facts.has_no_worker,
            "refused_posts": lambda: facts.refused,
            "silence": timedelta(days=1),
            "clock": clock,
        }
        return Watch(WatchParts(**given | parts))

    return make


@pytest.fixture
def watch(another: Callable[..., Watch]) -> Watch:
    return another()


async def look_for(watch: Watch, clock: Clock, time: timedelta, *, by: timedelta = LOOK) -> None:
    """Look as often as the service does, for so long."""
    until = clock.now + time
    while clock.now < until:
        clock.now += by
        await watch.look()


def waiting(recording_id: str, code: str, at: datetime, **values: Any) -> dict[str, Any]:
    """Make a row that waits, since this side failed it."""
    error = {"error_code": code, "error_message": f"{code} said the other side", "error_at": at}
    return row(recording_id, state=State.WAITING, next_attempt_at=at, **error, **values)


async def archive(database: Database, recording_id: str, at: datetime) -> None:
    """Have it end well."""
    update = sa.update(recordings).where(recordings.c.id == recording_id).values(**ARCHIVED | {"archived_at": at})
    await database.write(lambda tx: tx.execute(update))


class FullDatabase(Database):
    """Takes no writes while it `is_full`, as the disk under it."""

    def __init__(self, inner: Database) -> None:
        self._inner = inner
        self.is_sqlite, self.engine, self.insert = inner.is_sqlite, inner.engine, inner.insert
        self.is_full = False

    async def read(self, body: Callable[[sa.Connection], Any]) -> Any:
        return await self._inner.read(body)

    async def write(self, body: Callable[[sa.Connection], Any]) -> Any:
        if self.is_full:
            reason = "database or disk is full"
            raise StorageUnavailableError(f"the database did not take the statement: {reason}", reason=reason)
        return await self._inner.write(body)

    async def close(self) -> None: ...
