"""The kept bodies of deliveries, where an erasure changes them: found by what they name, and rewritten one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import sqlalchemy as sa

from receiver.catalogue.deliveries import pieces
from receiver.catalogue.holds import held_among
from receiver.records import DeliveryId, RecordingId
from receiver.tables import Database, deliveries, delivery_recordings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Mapping, Sequence

    from receiver.records import Hold

_PAGE_BODIES = 16
"""A body has a megabyte at most."""
_HAS_BODY = sa.func.length(deliveries.c.body) > 0
_UNLINKED: sa.ColumnElement[bool] = sa.literal_column(
    "(deliveries.status <> 'accepted' OR deliveries.recordings_count = 0)"
)
"""As the partial index has it."""


class KeptBody(NamedTuple):
    """A delivery's body as it is kept."""

    delivery_id: DeliveryId
    body: bytes


class Rewritten(NamedTuple):
    """What became of bodies: `missed` had been changed since they were read, `held` are recordings that kept theirs."""

    rewritten: int
    missed: set[DeliveryId]
    held: Mapping[RecordingId, tuple[Hold, ...]]


class KeptBodies:
    """Reads and rewrites them. `body_sha256` stays what came, so that the same body again is the same delivery."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def naming(self, ids: Sequence[RecordingId]) -> dict[DeliveryId, set[RecordingId]]:
        """Return the deliveries that name these recordings and have a body, with those that each names of them."""
        c = delivery_recordings.c
        query = sa.select(c.delivery_id, c.recording_id).join(deliveries, deliveries.c.id == c.delivery_id)
        query = query.where(_HAS_BODY)

        def read(tx: sa.Connection) -> dict[DeliveryId, set[RecordingId]]:
            found: dict[DeliveryId, set[RecordingId]] = {}
            for piece in pieces(ids):
                for delivery_id, recording_id in tx.execute(query.where(c.recording_id.in_(piece))):
                    found.setdefault(DeliveryId(delivery_id), set()).add(RecordingId(recording_id))
            return found

        return await self._database.read(read)

    async def each(self, ids: Collection[DeliveryId]) -> AsyncIterator[list[KeptBody]]:
        """Yield the bodies of these deliveries, a few at once."""
        query = sa.select(deliveries.c.id, deliveries.c.body).where(_HAS_BODY)
        for piece in pieces(sorted(ids), _PAGE_BODIES):
            yield await self._load(query.where(deliveries.c.id.in_(piece)))

    async def unlinked(self) -> AsyncIterator[list[KeptBody]]:
        """Yield the bodies that were not read whole or name no recording, a few at once: they may name anything."""
        after = ""
        query = sa.select(deliveries.c.id, deliveries.c.body).where(_HAS_BODY, _UNLINKED)
        query = query.order_by(deliveries.c.id).limit(_PAGE_BODIES)
        while page := await self._load(query.where(deliveries.c.id > after)):
            yield page
            after = page[-1].delivery_id

    async def every(self) -> AsyncIterator[list[KeptBody]]:
        """Yield all bodies that there are, a few at once, in the order in which they came."""
        after = ""
        query = sa.select(deliveries.c.id, deliveries.c.body).where(_HAS_BODY)
        query = query.order_by(deliveries.c.id).limit(_PAGE_BODIES)
        while page := await self._load(query.where(deliveries.c.id > after)):
            yield page
            after = page[-1].delivery_id

    async def rewrite(self, changed: Sequence[tuple[KeptBody, bytes]], *, heeds_holds: bool = False) -> Rewritten:
        """Put other bodies in their places, but for those that had been changed since they were read.

        Where it `heeds_holds`, nor for those that name a recording on hold: what they say of it is part of it.
        """
        if not changed:
            return Rewritten(0, set(), {})

        def write(tx: sa.Connection) -> Rewritten:
            count = 0
            missed: set[DeliveryId] = set()
            held: dict[RecordingId, tuple[Hold, ...]] = {}
            named = _named_by(tx, [kept.delivery_id for kept, _ in changed]) if heeds_holds else {}
            holding = held_among(tx, list({one for ids in named.values() for one in ids})) if named else {}
            for kept, body in changed:
                if held_here := {one: holding[one] for one in named.get(kept.delivery_id, ()) if one in holding}:
                    held |= held_here
                    continue
                same = (deliveries.c.id == kept.delivery_id, deliveries.c.body == kept.body)
                if tx.execute(sa.update(deliveries).where(*same).values(body=body)).rowcount:
                    count += 1
                else:
                    missed.add(kept.delivery_id)
            return Rewritten(count, missed, held)

        return await self._database.write(write)

    async def _load(self, query: sa.Select[tuple[str, bytes]]) -> list[KeptBody]:
        rows = await self._database.read(lambda tx: tx.execute(query).all())
        return [KeptBody(DeliveryId(row.id), bytes(row.body)) for row in rows]


def _named_by(tx: sa.Connection, ids: Sequence[DeliveryId]) -> dict[DeliveryId, list[RecordingId]]:
    """Return the recordings that each names: of all at once, since rows are locked in the order of their ids."""
    c = delivery_recordings.c
    found: dict[DeliveryId, list[RecordingId]] = {}
    for delivery_id, recording_id in tx.execute(sa.select(c.delivery_id, c.recording_id).where(c.delivery_id.in_(ids))):
        found.setdefault(DeliveryId(delivery_id), []).append(RecordingId(recording_id))
    return found
