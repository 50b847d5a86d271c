"""A watch over an index, with a clock that a test moves on, facts of its own and a mailbox that people would have."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from receiver.catalogue import Notices, Sights
from receiver.notices import Watch, WatchPace, WatchParts, open_channels
from tests.support.mailbox import Mailbox
from tests.support.operators import NOW

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from receiver.tables import Database

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
