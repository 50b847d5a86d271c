"""Each filter by each sort is read along an index or of few rows: the databases are asked for their plans."""

from __future__ import annotations

import re
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from receiver.catalogue import FILTERS, SORTS, Filters, listing
from receiver.catalogue.kinds import Shape
from receiver.catalogue.listing import PageQuery
from receiver.catalogue.order import Mark, Order
from tests.support.clock import NOW
from tests.support.operators import add
from tests.support.searching import recordings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from receiver.tables import Database

TEXTS = {Shape.WORDS: "we q3", Shape.NUMBER: "2", Shape.TIME: (NOW - timedelta(seconds=9)).isoformat()}
BY_NAME = {"content_type": "video/mp4", "error_code": "gone", "meeting_id": "m1", "attendee": "7"}
ASKED: list[tuple[str, str]] = [
    ("", ""),
    *(
        (one.name, text)
        for one in FILTERS
        for text in (one.kind.choices or (BY_NAME.get(one.name) or TEXTS[one.kind.shape],))
    ),
]


@pytest.fixture
async def filled(database: Database) -> Database:
    rows, taking_part, invited = recordings(300, seed=3)
    await add(database, *rows, taking_part=taking_part, invited=invited)
    await database.write(lambda tx: tx.exec_driver_sql("ANALYZE"))
    return database


@pytest.mark.parametrize("few", [listing.FEW, 5])
async def test_no_filter_by_any_sort_scans_or_sorts_the_table(
    filled: Database, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr(listing, "FEW", few)
    problems: list[str] = []

    def ask(tx: sa.Connection) -> None:
        for name, text in ASKED:
            filters = Filters(tuple(one.read([text]) for one in FILTERS if one.name == name))
            for sort in sorted(SORTS):
                marks = PageQuery(tx, filters, Order(sort), 3, None).marks()
                for after in (None, marks[0] if marks else None):
                    problems.extend(f"{name}={text} {sort}: {one}" for one in _bad_plans(tx, filters, sort, after))

    await filled.read(ask)
    assert not problems, "\n".join(problems[:20])


def _bad_plans(tx: sa.Connection, filters: Filters, sort: str, after: Mark | None) -> list[str]:
    with _recorded(tx) as statements:
        PageQuery(tx, filters, Order(sort), 3, after).marks()
    found = []
    for statement, parameters in statements:
        if tx.dialect.name == "sqlite":
            plan = [row[3] for row in tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)]
        else:
            plan = [row[0] for row in tx.exec_driver_sql(f"EXPLAIN {statement}", parameters)]
        if problem := _problem(statement, plan):
            found.append(f"{problem}\n{statement}\n" + "\n".join(plan))
    return found


def _problem(statement: str, plan: list[str]) -> str | None:
    """Refuse a scan of the whole table, and a sort of anything but rows that are limited before."""
    for line in plan:
        if re.search(r"Seq Scan on (recordings|search_postings)|^SCAN (recordings|search_postings)$", line):
            return "scans"
        if re.search(r"TEMP B-TREE FOR ORDER BY|\bSort\b", line) and " AS few" not in statement:
            return "sorts"
        if "using ix_recordings_place" in line and not any("Index Cond: (place = " in one for one in plan):
            return "walks along all rows"
    return None


@contextmanager
def _recorded(tx: sa.Connection) -> Iterator[list[tuple[str, Any]]]:
    statements: list[tuple[str, Any]] = []

    def note(_c: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: Any) -> None:
        if not statement.startswith("SELECT set_config"):
            statements.append((statement, parameters))

    sa.event.listen(tx, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        sa.event.remove(tx, "before_cursor_execute", note)
