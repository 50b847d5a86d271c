"""What was learnt of the bucket, kept for all processes that share the index."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any

import sqlalchemy as sa

from receiver.records import Learnt, Rung, StoreAbilities
from receiver.tables import Database, store_abilities

_NAMES = frozenset(field.name for field in fields(StoreAbilities))
_RUNGS = ("put_proof", "upload_proof")


class StoreNotes:
    """The one row of a `place`: an endpoint, a bucket there, and how objects are written."""

    def __init__(self, database: Database, place: str) -> None:
        self._database = database
        self._place = place

    async def load(self) -> Learnt | None:
        """Return what is known; None where nothing is, or where another release tried other things."""
        query = sa.select(store_abilities).where(store_abilities.c.place == self._place)
        row = await self._database.read(lambda tx: tx.execute(query).one_or_none())
        if row is None or row.abilities.keys() != _NAMES:
            return None
        rungs = {name: Rung(row.abilities[name]) for name in _RUNGS}
        abilities = StoreAbilities(**row.abilities | rungs)
        return Learnt(abilities=abilities, server=row.server, at=row.tried_at, is_sure=row.is_sure)

    async def save(self, learnt: Learnt) -> None:
        """Keep it in place of what was known; the last to write is the last to have tried."""
        values: dict[str, Any] = {
            "server": learnt.server,
            "abilities": asdict(learnt.abilities),
            "is_sure": learnt.is_sure,
            "tried_at": learnt.at,
        }
        row = self._database.insert(store_abilities).values(place=self._place, **values)
        kept = row.on_conflict_do_update(index_elements=[store_abilities.c.place], set_=values)
        await self._database.write(lambda tx: tx.execute(kept))
