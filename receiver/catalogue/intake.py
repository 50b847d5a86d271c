"""The statements of one batch of deliveries, as few as there are tables. Every lock is taken in sorted order."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from receiver.catalogue.deliveries import MOST_ROWS, DeliveryRows, pieces
from receiver.catalogue.rows import write_row
from receiver.catalogue.states import change_state
from receiver.lifecycle import FINAL, reopened_by
from receiver.records import DeliveryId, RecordingFacts, RecordingId, State, Via, is_another_file, source_host
from receiver.tables import participants, recordings

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from receiver.catalogue.deliveries import Incoming
    from receiver.tables import Database

_ROW_ID = recordings.c.id == sa.bindparam("row_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """What became of a delivery: of one body, at once or a year apart, one is new."""

    delivery_id: DeliveryId
    is_new: bool
    states: tuple[tuple[RecordingId, State], ...]


@dataclass(slots=True)
class _News:
    """What a batch says of one recording, each delivery after the other, or a listing."""

    first: RecordingFacts
    latest: RecordingFacts
    at: datetime
    via: Via
    is_again: bool = False
    """Told before: it may revive a known recording, and changes nothing else of it."""


@dataclass(slots=True)
class Changes:
    """What a batch did to recordings: which need `work` (sorted), and the state of each afterwards.

    `replaced` were known by another file until now, so an object that a run noted but did not record is not of this
    one. `unfetched` are archived and were named with another file, which changes nothing.
    """

    new: list[RecordingId] = field(default_factory=list)
    refreshed: list[RecordingFacts] = field(default_factory=list)
    replaced: list[RecordingId] = field(default_factory=list)
    unfetched: list[RecordingId] = field(default_factory=list)
    reopened: list[RecordingId] = field(default_factory=list)
    work: list[RecordingId] = field(default_factory=list)
    states: dict[RecordingId, State] = field(default_factory=dict)


class Intake:
    """Writes batches. `keep_urls` says that the payload's URLs are needed, since no API credentials are set."""

    def __init__(self, database: Database, *, keep_urls: bool) -> None:
        self._keep_urls = keep_urls
        self._deliveries = DeliveryRows(database, asks=not keep_urls)
        self._add_recordings = (
            database.insert(recordings).on_conflict_do_nothing(index_elements=["id"]).returning(recordings.c.id)
        )

    def write(self, tx: sa.Connection, batch: Sequence[Incoming]) -> tuple[list[Stored | None], Changes]:
        """Write the batch; return what became of each delivery, in order, and of the recordings they name.

        None is of one that `is_kept` no more. Of a body that was stored before, what was lacking of it is added, and
        recordings that had failed or were missing are taken up again.
        """
        added = self._deliveries.add(tx, batch)
        fresh = {id(incoming) for incoming in added}
        ids = {incoming.digest: DeliveryId(incoming.row["id"]) for incoming in added}
        again = [incoming for incoming in batch if id(incoming) not in fresh]
        ids |= self._deliveries.known(tx, [incoming for incoming in again if incoming.digest not in ids])
        again = [incoming for incoming in again if incoming.digest in ids]
        news = _gather([*added, *(incoming for incoming in again if incoming.is_more)])
        known = _add_again(tx, news, [incoming for incoming in again if not incoming.is_more])
        changes = self._record(tx, dict(sorted(news.items())))
        self._deliveries.ask(tx, [*added, *again])
        states = known | changes.states
        outcomes = [
            Stored(
                delivery_id=ids[incoming.digest],
                is_new=id(incoming) in fresh,
                states=tuple((fact.id, states[fact.id]) for fact in incoming.facts if fact.id in states),
            )
            if incoming.digest in ids
            else None
            for incoming in batch
        ]
        return outcomes, changes

    def write_found(
        self, tx: sa.Connection, facts: Sequence[RecordingFacts], *, via: Via, at: datetime
    ) -> tuple[frozenset[RecordingId], Changes]:
        """Write what a listing says of recordings; return the new ones, and what became of all.

        A known one keeps what deliveries said of it, which is more.
        """
        news = {fact.id: _News(first=fact, latest=fact, at=at, via=via) for fact in sorted(facts, key=lambda f: f.id)}
        changes = self._record(tx, news)
        return frozenset(changes.new), changes

    def _record(self, tx: sa.Connection, news: dict[RecordingId, _News]) -> Changes:
        """Add the recordings that are new, refresh those that are known."""
        if not news:
            return Changes()
        rows = [self._new_row(one) for one in news.values()]
        new = set(tx.execute(self._add_recordings, rows).scalars())
        known = {recording_id: one for recording_id, one in news.items() if recording_id not in new}
        changes = self._refresh(tx, known) if known else Changes()
        _add_participants(tx, [one.latest for key, one in news.items() if key in new] + changes.refreshed)
        changes.new = sorted(new)
        changes.states |= dict.fromkeys(new, State.PENDING)
        changes.work = sorted([*new, *changes.reopened])
        return changes

    def _refresh(self, tx: sa.Connection, known: dict[RecordingId, _News]) -> Changes:
        """Bring known recordings up to date, unless they are archived."""
        changes = _compare(tx, known)
        if changes.refreshed:
            rows = [{"row_id": fact.id} | self._values(fact) for fact in changes.refreshed]
            names = [name for name in rows[0] if name != "row_id"]
            update = sa.update(recordings).where(_ROW_ID).values({name: sa.bindparam(name) for name in names})
            tx.execute(update, rows)
            for ids in pieces([fact.id for fact in changes.refreshed]):
                tx.execute(sa.delete(participants).where(participants.c.recording_id.in_(ids)))
        if changes.replaced:
            replaced = sa.update(recordings).where(_ROW_ID).values(size_bytes=None, checksum=None)
            tx.execute(replaced, [{"row_id": key} for key in changes.replaced])
        if changes.reopened:
            reopen = change_state(State.PENDING, leaving=FINAL).where(_ROW_ID)
            rows = [{"row_id": key, "next_attempt_at": known[key].at} for key in changes.reopened]
            tx.execute(reopen.values(attempts=0, next_attempt_at=sa.bindparam("next_attempt_at")), rows)
        return changes

    def _new_row(self, news: _News) -> dict[str, Any]:
        return self._values(news.latest) | {
            "id": news.first.id,
            "state": State.PENDING,
            "created_at": news.first.vendor.created_at or news.at,
            "first_seen_via": news.via,
            "first_seen_at": news.at,
            "next_attempt_at": news.at,
            "source_host": source_host(news.latest.payload_url),
        }

    def _values(self, fact: RecordingFacts) -> dict[str, Any]:
        meeting, host = fact.meeting, fact.host
        words = (meeting.name, host.name, host.login, host.email)
        values = write_row(meeting) | write_row(host) | write_row(fact.vendor)
        del values[
            "created_at"
        ]  # it sorts the listings and may be part of the object's key, so what a new row has stays
        values["search_text"] = "\n".join(word.casefold() for word in words if word)
        if self._keep_urls:
            values["payload_url"] = fact.payload_url
        return values


def _gather(added: Sequence[Incoming]) -> dict[RecordingId, _News]:
    """Fold the deliveries' facts into one piece of news a recording, sorted by id: the newest facts win."""
    news: dict[RecordingId, _News] = {}
    for incoming in added:
        for fact in incoming.facts:
            known = news.get(fact.id)
            if known is None:
                news[fact.id] = _News(first=fact, latest=fact, at=incoming.row["received_at"], via=Via.WEBHOOK)
            elif _is_newer(fact, known.latest.vendor.updated_at):
                known.latest = fact
    return news


def _add_again(
    tx: sa.Connection, news: dict[RecordingId, _News], again: Sequence[Incoming]
) -> dict[RecordingId, State]:
    """Add to the news what bodies that were stored before may still change; return the states of what they name."""
    states = _states(tx, [fact.id for incoming in again for fact in incoming.facts if fact.id not in news])
    revived = reopened_by(Via.WEBHOOK)
    for incoming in again:
        for fact in incoming.facts:
            if fact.id not in news and (fact.id not in states or states[fact.id] in revived):
                at = incoming.row["received_at"]
                news[fact.id] = _News(first=fact, latest=fact, at=at, via=Via.WEBHOOK, is_again=True)
    return states


def _is_newer(fact: RecordingFacts, than: datetime | None) -> bool:
    updated_at = fact.vendor.updated_at
    return than is None or (updated_at is not None and updated_at >= than)


def _compare(tx: sa.Connection, known: dict[RecordingId, _News]) -> Changes:
    """Lock the rows of known recordings and decide what the news changes of each."""
    changes = Changes()
    c = recordings.c
    for ids in pieces(list(known)):
        query = sa.select(c.id, c.state, c.file_uid, c.updated_at).where(c.id.in_(ids))
        for row in tx.execute(query.order_by(c.id).with_for_update()):
            state, one = State(row.state), known[row.id]
            reopened = reopened_by(one.via)
            changes.states[row.id] = State.PENDING if state in reopened else state
            is_newer = one.via is Via.WEBHOOK and not one.is_again and _is_newer(one.latest, row.updated_at)
            is_another = is_newer and is_another_file(one.latest.vendor, row)
            if state in FINAL - reopened:
                if is_another and state is State.ARCHIVED:
                    changes.unfetched.append(row.id)
                continue
            if is_another:
                changes.replaced.append(row.id)
            if is_newer:
                changes.refreshed.append(one.latest)
            if state in reopened:
                changes.reopened.append(row.id)
    return changes


def _add_participants(tx: sa.Connection, facts: Iterable[RecordingFacts]) -> None:
    rows = [
        {"recording_id": fact.id, "position": position, "user_id": user_id}
        for fact in facts
        for position, user_id in enumerate(fact.vendor.participant_ids)
    ]
    for piece in pieces(rows, MOST_ROWS):
        tx.execute(sa.insert(participants), piece)


def _states(tx: sa.Connection, ids: Sequence[RecordingId]) -> dict[RecordingId, State]:
    found: dict[RecordingId, State] = {}
    for piece in pieces(ids):
        query = sa.select(recordings.c.id, recordings.c.state).where(recordings.c.id.in_(piece))
        found.update({row.id: State(row.state) for row in tx.execute(query)})
    return found
