"""The rows of deliveries on their way in, which recordings each names, and the meetings to be asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import sqlalchemy as sa

from receiver.records import DeliveryId, DeliveryStatus
from receiver.tables import add_new, add_rows, deliveries, delivery_recordings, named_meetings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from receiver.records import Actor, MeetingId, RecordingFacts, RecordingId
    from receiver.tables import Database

T = TypeVar("T")

_MOST_NAMES = 500
"""Ids asked for in one query; drivers bound the parameters of a statement."""
_READ = ("status", "rejected", "recordings_count", "rejected_count", "reason")
"""What of a delivery's row depends on how its body was read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """A delivery on its way in: its row, and the recordings it names.

    `named` are the ids of all of them, of which `facts` may be the first only; None where they are not to be noted, as
    they are already, or since nothing could be read. `is_kept`: the delivery is stored
    already, and no row is made for one that is gone; then `is_more` tells the rest of a new one from what is told
    again, and `by` is who had it taken in again. `ask` are the meetings to ask the API for.
    """

    row: dict[str, Any]
    facts: tuple[RecordingFacts, ...]
    named: tuple[RecordingId, ...] | None = None
    ask: tuple[MeetingId, ...] = ()
    is_kept: bool = False
    is_more: bool = False
    by: Actor | None = None

    @property
    def digest(self) -> str:
        """The SHA-256 of the body as it came, which makes a delivery the same delivery."""
        digest: str = self.row["body_sha256"]
        return digest


class DeliveryRows:
    """Writes them. `asks` says that there are credentials to ask the API with."""

    def __init__(self, database: Database, *, asks: bool) -> None:
        self._asks = asks
        add_named = database.insert(named_meetings)
        self._add_named = add_named.on_conflict_do_update(
            index_elements=["meeting_id"],
            set_={name: add_named.excluded[name] for name in ("named_at", "ask_at", "asked")},
        )

    def add(self, tx: sa.Connection, batch: Sequence[Incoming]) -> list[Incoming]:
        """Add those whose bodies were never seen before, of identical ones the first; return them."""
        first_of: dict[str, Incoming] = {}
        for incoming in batch:
            if not incoming.is_kept:
                first_of.setdefault(incoming.digest, incoming)
        if not first_of:
            return []
        rows = [first_of[digest].row for digest in sorted(first_of)]
        new = add_new(tx, deliveries, rows, key="body_sha256")
        added = [incoming for digest, incoming in first_of.items() if digest in new]
        _link(tx, [(incoming.row["id"], incoming.named or ()) for incoming in added])
        return added

    def known(self, tx: sa.Connection, again: Sequence[Incoming]) -> dict[str, DeliveryId]:
        """Return the ids of bodies that were stored before, and note of them what can be read by now."""
        c = deliveries.c
        found: dict[str, DeliveryId] = {}
        for digests in pieces(sorted({incoming.digest for incoming in again})):
            query = sa.select(c.id, c.body_sha256, c.status, c.recordings_count).where(c.body_sha256.in_(digests))
            rows = {row.body_sha256: row for row in tx.execute(query)}
            found |= {digest: DeliveryId(row.id) for digest, row in rows.items()}
            for incoming in again:
                row = rows.get(incoming.digest)
                if row is not None and incoming.named is not None and _reads_more(incoming, row):
                    better = {name: incoming.row[name] for name in _READ}
                    tx.execute(sa.update(deliveries).where(c.id == row.id).values(better))
                    tx.execute(sa.delete(delivery_recordings).where(delivery_recordings.c.delivery_id == row.id))
                    _link(tx, [(row.id, incoming.named)])
        return found

    def ask(self, tx: sa.Connection, batch: Sequence[Incoming]) -> None:
        """Have the API asked for the meetings at once, also for those that it was asked for before."""
        named_at = {meeting_id: incoming.row["received_at"] for incoming in batch for meeting_id in incoming.ask}
        if named_at and self._asks:
            rows = [{"meeting_id": one, "named_at": at, "ask_at": at, "asked": 0} for one, at in named_at.items()]
            tx.execute(self._add_named, sorted(rows, key=lambda row: row["meeting_id"]))


def pieces(items: Sequence[T], most: int = _MOST_NAMES) -> Iterator[Sequence[T]]:
    """Yield the items in the numbers that a statement bears."""
    for start in range(0, len(items), most):
        yield items[start : start + most]


def _reads_more(incoming: Incoming, stored: Any) -> bool:
    if stored.status == DeliveryStatus.ACCEPTED:
        return False
    now = (incoming.row["status"], incoming.row["recordings_count"])
    return bool((stored.status, stored.recordings_count) != now)


def _link(tx: sa.Connection, named: Sequence[tuple[str, Sequence[RecordingId]]]) -> None:
    rows = [
        {"delivery_id": delivery_id, "position": position, "recording_id": recording_id}
        for delivery_id, recording_ids in named
        for position, recording_id in enumerate(recording_ids)
    ]
    add_rows(tx, delivery_recordings, rows)
