"""When each thing that should happen now and then happened last: each is the end of an index."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import sqlalchemy as sa

from receiver.tables import deliveries, reconciliations, recordings

if TYPE_CHECKING:
    from datetime import datetime

_MISSED = recordings.c.first_seen_via == sa.literal_column("'reconcile'")


class Latest(NamedTuple):
    """None is what never happened. `missed_made_at` is when the newest recording was made that no webhook brought."""

    delivered_at: datetime | None
    archived_at: datetime | None
    reconciled_at: datetime | None
    missed_made_at: datetime | None
    verified_at: datetime | None


def read_latest(tx: sa.Connection) -> Latest:
    """Read them all."""
    c = recordings.c
    newest = (
        sa.select(sa.func.max(deliveries.c.received_at)),
        sa.select(sa.func.max(c.archived_at)).where(c.archived_at.is_not(None)),
        sa.select(sa.func.max(reconciliations.c.ended_at)),
        sa.select(sa.func.max(c.created_at)).where(_MISSED),
        sa.select(sa.func.max(c.verified_at)).where(c.verified_at.is_not(None)),
    )
    return Latest(*(tx.execute(query).scalar_one() for query in newest))
