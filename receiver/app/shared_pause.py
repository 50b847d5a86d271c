"""The end of the Meetings API's pause in the database, where every process sees it and an operator can lift it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from receiver.tables import api_pauses

if TYPE_CHECKING:
    from receiver.tables import Database


class DatabasePause:
    """Implements `meetings_api.SharedPause`: one row for each API address, timed by the database's own clock.

    So it needs no two machines' clocks to agree.
    """

    def __init__(self, database: Database, api_url: str) -> None:
        self._database = database
        self._api_url = api_url
        self._now_s: sa.ColumnElement[float] = (
            (sa.func.julianday("now") - 2440587.5) * 86400.0
            if database.is_sqlite
            else sa.cast(sa.extract("epoch", sa.func.clock_timestamp()), sa.Double)
        )

    async def left_s(self) -> float:
        left_s = sa.select(api_pauses.c.ends_epoch_s - self._now_s).where(api_pauses.c.api_url == self._api_url)
        return max(0.0, await self._database.read(lambda tx: tx.execute(left_s).scalar_one_or_none()) or 0.0)

    async def ask(self, seconds: float) -> None:
        row = self._database.insert(api_pauses).values(api_url=self._api_url, ends_epoch_s=self._now_s + seconds)
        later_row = row.on_conflict_do_update(
            index_elements=["api_url"],
            set_={"ends_epoch_s": row.excluded.ends_epoch_s},
            where=row.excluded.ends_epoch_s > api_pauses.c.ends_epoch_s,
        )
        await self._database.write(lambda tx: tx.execute(later_row))
