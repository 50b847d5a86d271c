"""Both databases find the same recordings in the same order, and the same as a look at each of them."""

from __future__ import annotations

import asyncio
import shutil
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from receiver.catalogue import FILTERS, SORTS, Filters, hours, listing
from receiver.catalogue.listing import PageQuery
from receiver.catalogue.order import Order
from receiver.records import Fixity, State
from receiver.tables import open_database
from tests.support.clock import NOW
from tests.support.databases import fresh_database
from tests.support.operators import add
from tests.support.searching import EMAILS, HOURS, STATES, WORDS, Reference, recordings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import sqlalchemy as sa

    from receiver.tables import Database

QUERIES = 2000
RECORDINGS = recordings(400, seed=5)
REFERENCE = Reference(RECORDINGS)
BY_NAME = {one.name: one for one in FILTERS}
TIMES = st.builds(
    lambda h, s: NOW - timedelta(hours=h, seconds=s),
    st.sampled_from([0, 0, 0, *HOURS, -1, -1200]),
    st.integers(0, 25),
)
BOUNDS = {
    "created_at": TIMES,
    "archived_at": TIMES,
    "start_date": TIMES,
    "size_bytes": st.integers(0, 9),
    "duration_s": st.sampled_from([0.5, 1.0, 50.0, 60.0, 99.0]),
}
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "state": st.lists(st.sampled_from(sorted(set(STATES))), min_size=1, max_size=3, unique=True).map(
        lambda found: tuple(State(one) for one in found)
    ),
    "meeting_id": st.sampled_from(["m0", "m3", "m9"]),
    "host_id": st.sampled_from([1, 2, 9]),
    "participant_id": st.integers(0, 4),
    "attendee": st.sampled_from(["7", "8", "9", *(one for one in EMAILS if one), "zoe@EXAMPLE.org", "example.com"]),
    "q": st.lists(st.sampled_from(WORDS), min_size=1, max_size=3).map(tuple),
    "incomplete": st.booleans(),
    "hold": st.booleans(),
    "content_type": st.sampled_from(["video/mp4", "video/webm", "x"]),
    "due": st.booleans(),
    "fixity": st.sampled_from(list(Fixity)),
    "error_code": st.sampled_from(["gone", "busy", "x"]),
} | {f"{name}[{sign}]": values for name, values in BOUNDS.items() for sign in ("gt", "gte", "lt", "lte")}


@st.composite
def asked(draw: st.DrawFn) -> dict[str, Any]:
    """Draw up to three filters, a search more often than another."""
    names = draw(st.lists(st.sampled_from([*VALUES, "q", "q", "q"]), max_size=3, unique=True))
    return {name: draw(VALUES[name]) for name in names}


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """Keep one loop for the connections of all queries."""
    made = asyncio.new_event_loop()
    yield made
    made.close()


@pytest.fixture(scope="module")
def databases(
    loop: asyncio.AbstractEventLoop, postgres: Any, sqlite_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[Database]]:
    """Fill a database of each kind with the same recordings."""
    path = tmp_path_factory.mktemp("search") / "receiver.db"
    shutil.copy(sqlite_file, path)
    with fresh_database(postgres) as url:
        opened = [open_database(f"sqlite:///{path}"), open_database(url)]
        for database in opened:
            rows, taking_part, invited = RECORDINGS
            loop.run_until_complete(add(database, *rows, taking_part=taking_part, invited=invited))
        yield opened
        for database in opened:
            loop.run_until_complete(database.close())


def test_every_filter_is_asked() -> None:
    assert set(VALUES) == set(BY_NAME)


@pytest.mark.parametrize("few", [listing.FEW, 20])
def test_both_databases_answer_as_the_reference(
    loop: asyncio.AbstractEventLoop, databases: list[Database], monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    """Where few rows count as many, other ways to the same rows are taken; and few hours are read at once."""
    monkeypatch.setattr(listing, "FEW", few)
    monkeypatch.setattr(hours, "FEWEST", min(few, hours.FEWEST))

    @settings(
        max_examples=QUERIES // 2,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(asked(), st.sampled_from(sorted(SORTS)), st.integers(1, 60))
    def compare(given_: dict[str, Any], sort: str, first: int) -> None:
        filters = Filters(tuple(BY_NAME[name](value) for name, value in given_.items()))
        expected = REFERENCE.find(given_, sort)
        for database in databases:
            found = loop.run_until_complete(database.read(lambda tx: _ids(tx, filters, Order(sort), first)))
            assert found == (expected[:first], expected[first:]), given_

    compare()


def _ids(tx: sa.Connection, filters: Filters, order: Order, first: int) -> tuple[list[str], list[str]]:
    """Return the ids of the first page, and of all that follows it."""
    page = PageQuery(tx, filters, order, first, None).marks()
    rest = PageQuery(tx, filters, order, len(RECORDINGS[0]), page[-1]).marks() if page else []
    return [one.id for one in page], [one.id for one in rest]
