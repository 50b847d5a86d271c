"""Listings by one time that bound another: what triggers note of every write leads to each recording."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from receiver.catalogue import FILTERS, Catalogue, Filters, listing
from receiver.tables import recordings
from tests.support.clock import NOW
from tests.support.operators import ARCHIVED, add, row

if TYPE_CHECKING:
    from receiver.tables import Database

BY_NAME = {one.name: one for one in FILTERS}


async def test_a_time_that_is_written_later_is_found_by_every_other(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "FEW", 1)  # else so few are read whole
    await add(database, row("late", created_at=NOW), row("other", created_at=NOW + timedelta(days=900), **ARCHIVED))
    archived_at, start_at = NOW + timedelta(days=400), NOW - timedelta(days=200)
    values = {**ARCHIVED, "archived_at": archived_at, "meeting_start_at": start_at, "state": "archived"}
    await database.write(lambda tx: tx.execute(sa.update(recordings).where(recordings.c.id == "late").values(values)))
    times: dict[str, datetime] = {"created_at": NOW, "archived_at": archived_at, "start_date": start_at}
    for sort in (sign + name for name in times for sign in ("", "-")):
        for name, value in times.items():
            asked = Filters((BY_NAME[f"{name}[gte]"](value), BY_NAME[f"{name}[lte]"](value)))
            page = await Catalogue(database).page(asked, sort=sort, limit=10)
            assert [one.id for one in page.items] == ["late"], (sort, name)
