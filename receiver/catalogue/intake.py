"""The statements of one batch of deliveries, as few as there are tables. Every lock is taken in sorted order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from receiver.catalogue.news import Changes, News, compare_delivery, compare_listing, gather, other_meetings
from receiver.catalogue.rows import columns_of, write_facts, write_participants
from receiver.catalogue.states import change_state
from receiver.lifecycle import FINAL
from receiver.records import (
    DeliveryId,
    Host,
    Meeting,
    RecordingFacts,
    RecordingId,
    State,
    Via,
    source_host,
)
from receiver.tables import deliveries, delivery_recordings, named_meetings, participants, recordings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from receiver.tables import Database


_MOST_NAMES = 500
"""Ids asked for in one query; drivers bound the parameters of a statement."""
_ROW_ID = recordings.c.id == sa.bindparam("row_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """A delivery on its way in: its row, and the recordings it names."""

    row: dict[str, Any]
    facts: tuple[RecordingFacts, ...]

    @property
    def digest(self) -> str:
        """The SHA-256 of the body as it came, which makes a delivery the same delivery."""
        digest: str = self.row["body_sha256"]
        return digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """What became of a delivery: of one body, at once or a year apart, one is new."""

    delivery_id: DeliveryId
    is_new: bool
    states: tuple[tuple[RecordingId, State], ...]


class Intake:
    """Writes batches. `keep_urls` says that the payload's URLs are needed, since no API credentials are set.

    With credentials a delivery is a hint: once the API has listed a recording, it can say that the file is another, and
    nothing else; until then every meeting that was named is kept, so that none can hide the true one.
    """

    def __init__(self, database: Database, *, keep_urls: bool) -> None:
        self._keep_urls = keep_urls
        self._add_deliveries = (
            database.insert(deliveries)
            .on_conflict_do_nothing(index_elements=["body_sha256"])
            .returning(deliveries.c.body_sha256)
        )
        self._add_recordings = (
            database.insert(recordings).on_conflict_do_nothing(index_elements=["id"]).returning(recordings.c.id)
        )
        self._name_meetings = database.insert(named_meetings).on_conflict_do_nothing(
            index_elements=["recording_id", "meeting_id"]
        )

    def write(self, tx: sa.Connection, batch: Sequence[Incoming]) -> tuple[list[Stored], Changes]:
        """Write the batch; return what became of each delivery, in order, and of the recordings they name."""
        first_of: dict[str, Incoming] = {}
        for incoming in batch:
            first_of.setdefault(incoming.digest, incoming)
        new = self._deliver(tx, first_of)
        added = [first_of[digest] for digest in first_of if digest in new]
        _link(tx, added)
        changes = self._record(tx, gather((one.row["received_at"], one.facts) for one in added))
        states = changes.states
        old = [incoming for digest, incoming in first_of.items() if digest not in new]
        ids = _delivery_ids(tx, old)
        if old:
            states = states | _states(tx, [fact.id for one in old for fact in one.facts if fact.id not in states])
        ids |= {incoming.digest: incoming.row["id"] for incoming in added}
        fresh = {id(incoming) for incoming in added}
        outcomes = [
            Stored(
                delivery_id=ids[incoming.digest],
                is_new=id(incoming) in fresh,
                states=tuple((fact.id, states[fact.id]) for fact in incoming.facts if fact.id in states),
            )
            for incoming in batch
        ]
        return outcomes, changes

    def write_found(
        self, tx: sa.Connection, facts: Sequence[RecordingFacts], *, via: Via, at: datetime
    ) -> tuple[frozenset[RecordingId], Changes]:
        """Write what a listing says of recordings; return who is new, and what became of all.

        A known one keeps what deliveries said of it, which is more, unless they named another meeting.
        """
        news = {fact.id: News(latest=fact, at=at, via=via) for fact in sorted(facts, key=lambda f: f.id)}
        changes = self._record(tx, news)
        return frozenset(changes.new), changes

    def _deliver(self, tx: sa.Connection, first_of: dict[str, Incoming]) -> set[str]:
        """Add the bodies never seen before; return their digests."""
        rows = [first_of[digest].row for digest in sorted(first_of)]
        return set(tx.execute(self._add_deliveries, rows).scalars())

    def _record(self, tx: sa.Connection, news: dict[RecordingId, News]) -> Changes:
        """Add the recordings that are new, refresh those that are known."""
        if not news:
            return Changes()
        rows = [self._new_row(one) for one in news.values()]
        new = set(tx.execute(self._add_recordings, rows).scalars())
        known = {recording_id: one for recording_id, one in news.items() if recording_id not in new}
        changes = self._refresh(tx, known) if known else Changes()
        write_participants(tx, [one.latest for key, one in news.items() if key in new] + changes.refreshed)
        changes.named += [
            row for key in sorted(new) for row in other_meetings(key, news[key].latest.meeting.id, news[key])
        ]
        if changes.named:
            tx.execute(self._name_meetings, changes.named)
        changes.new = sorted(new)
        changes.states |= dict.fromkeys(new, State.PENDING)
        changes.work = sorted([*new, *changes.reopened])
        return changes

    def _refresh(self, tx: sa.Connection, known: dict[RecordingId, News]) -> Changes:
        """Bring known recordings up to date, unless they are archived."""
        changes = _compare(tx, known, keep_urls=self._keep_urls)
        if changes.refreshed:
            rows = [{"row_id": fact.id} | self._values(fact) for fact in changes.refreshed]
            names = [name for name in rows[0] if name != "row_id"]
            update = sa.update(recordings).where(_ROW_ID).values({name: sa.bindparam(name) for name in names})
            tx.execute(update, rows)
            for ids in _pieces([fact.id for fact in changes.refreshed]):
                tx.execute(sa.delete(participants).where(participants.c.recording_id.in_(ids)))
        if changes.hinted:
            of_file: dict[str, Any] = {name: sa.bindparam(name) for name in ("file_uid", "updated_at")}
            rows = [
                {"row_id": fact.id} | {name: getattr(fact.vendor, name) for name in of_file} for fact in changes.hinted
            ]
            tx.execute(sa.update(recordings).where(_ROW_ID).values(of_file), rows)
        if changes.replaced:
            replaced = sa.update(recordings).where(_ROW_ID).values(size_bytes=None, checksum=None)
            tx.execute(replaced, [{"row_id": key} for key in changes.replaced])
        if changes.reopened:
            reopen = change_state(State.PENDING, leaving=FINAL)
            for at in {known[key].at for key in changes.reopened}:
                # each in a statement of its own: executed for many rows, none may hold a list of states
                for ids in _pieces([key for key in changes.reopened if known[key].at == at]):
                    tx.execute(reopen.where(recordings.c.id.in_(ids)).values(attempts=0, next_attempt_at=at))
        return changes

    def _new_row(self, news: News) -> dict[str, Any]:
        return self._values(news.latest) | {
            "id": news.latest.id,
            "state": State.PENDING,
            "created_at": news.latest.vendor.created_at or news.at,
            "first_seen_via": news.via,
            "first_seen_at": news.at,
            "next_attempt_at": news.at,
            "source_host": source_host(news.latest.payload_url),
        }

    def _values(self, fact: RecordingFacts) -> dict[str, Any]:
        values = write_facts(fact) | {"listed_at": None}
        if self._keep_urls:
            values["payload_url"] = fact.payload_url
        return values


def _compare(tx: sa.Connection, known: dict[RecordingId, News], *, keep_urls: bool) -> Changes:
    """Lock the rows of known recordings and decide what the news changes of each."""
    changes = Changes()
    names = ("id", "state", "file_uid", "updated_at", "listed_at", *columns_of(Meeting), *columns_of(Host))
    for ids in _pieces(list(known)):
        query = sa.select(*(recordings.c[name] for name in names)).where(recordings.c.id.in_(ids))
        for row in tx.execute(query.order_by(recordings.c.id).with_for_update()):
            one = known[row.id]
            if one.via is Via.WEBHOOK:
                compare_delivery(changes, row, one, is_hint=not keep_urls and row.listed_at is not None)
            else:
                compare_listing(changes, row, one)
    return changes


def _link(tx: sa.Connection, added: Sequence[Incoming]) -> None:
    rows = [
        {"delivery_id": incoming.row["id"], "position": position, "recording_id": fact.id}
        for incoming in added
        for position, fact in enumerate(incoming.facts)
    ]
    if rows:
        tx.execute(sa.insert(delivery_recordings), rows)


def _delivery_ids(tx: sa.Connection, old: Sequence[Incoming]) -> dict[str, DeliveryId]:
    found: dict[str, DeliveryId] = {}
    for digests in _pieces([incoming.digest for incoming in old]):
        query = sa.select(deliveries.c.body_sha256, deliveries.c.id).where(deliveries.c.body_sha256.in_(digests))
        found.update({row.body_sha256: DeliveryId(row.id) for row in tx.execute(query)})
    return found


def _states(tx: sa.Connection, ids: Sequence[RecordingId]) -> dict[RecordingId, State]:
    found: dict[RecordingId, State] = {}
    for piece in _pieces(ids):
        query = sa.select(recordings.c.id, recordings.c.state).where(recordings.c.id.in_(piece))
        found.update({row.id: State(row.state) for row in tx.execute(query)})
    return found


def _pieces(names: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(names), _MOST_NAMES):
        yield names[start : start + _MOST_NAMES]
